// A bound of how many pictures are asked for at once, so that slow ones do not hold the browser's connections.

export class Lane {
  /** `mayBegin()` says whether a task may begin now; `next()` is called when that changes. */
  constructor(most, mayBegin = () => true) {
    Object.assign(this, { most, mayBegin, busy: 0, tasks: [] });
  }

  /**
   * Runs a task when its turn comes: the latest first, as the view has moved on since the others. No turn comes before
   * all layers have said what they want, so that the first to be drawn is not the first to be asked for.
   */
  add(task) {
    this.tasks.push(task);
    queueMicrotask(() => this.next());
  }

  next() {
    while (this.tasks.length && this.busy < this.most && this.mayBegin()) {
      this.busy += 1;
      this.tasks.pop()().finally(() => {
        this.busy -= 1;
        this.next();
      });
    }
  }
}
