// The service's answers, with the token where it wants one.

const KEY = "isamap-token";

export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** `askToken(again)` gives a token that a person typed; `answers` are those that came with the page, by path. */
export class Service {
  constructor(askToken, answers = {}) {
    Object.assign(this, { askToken, answers });
    this.asking = null;
  }

  /** Takes the token of the address that the service printed out of the address, which people pass on. */
  takeToken() {
    const words = new URLSearchParams(location.hash.slice(1));
    if (!words.has("token")) return;
    sessionStorage.setItem(KEY, words.get("token"));
    words.delete("token");
    history.replaceState(null, "", `${location.pathname}${words.size ? `#${words}` : ""}`);
  }

  get token() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  async json(path, options) {
    const { [path]: known, ...others } = this.answers;
    this.answers = others; // each is true once, of the moment of the load
    if (known && !options) return known;
    return (await this.ask(path, options)).json();
  }

  post(path, document) {
    const headers = { "Content-Type": "application/json" };
    return this.json(path, { method: "POST", headers, body: JSON.stringify(document) });
  }

  /** The reply; Refusal with the service's own sentence where it is none. */
  async ask(path, options = {}) {
    const sent = this.token;
    const headers = { ...options.headers, ...(sent && { Authorization: `Bearer ${sent}` }) };
    const reply = await this.reach(path, { ...options, headers });
    if (reply.status === 401) {
      if (this.token === sent) await this.renewToken(Boolean(sent));
      return this.ask(path, options);
    }
    if (!reply.ok) throw new Refusal(reply.status, await sentence(reply));
    return reply;
  }

  async reach(path, options) {
    try {
      return await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal(0, "The service does not answer. Is it running?");
    }
  }

  /** One question at a time, however many requests wait for its answer. */
  async renewToken(again) {
    this.asking ??= this.askToken(again).then((token) => {
      sessionStorage.setItem(KEY, token);
      this.asking = null;
    });
    await this.asking;
  }
}

async function sentence(reply) {
  try {
    const { detail, title } = await reply.json();
    return detail || title || `The service answered ${reply.status}.`;
  } catch {
    return `The service answered ${reply.status}.`;
  }
}
