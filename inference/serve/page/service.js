// The service's answers, with the token where it wants one.

const KEY = "isamap-token";

export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** `askToken(again)` gives a token that a person typed. */
export class Service {
  constructor(askToken) {
    this.askToken = askToken;
    this.asking = null;
  }

  get token() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  async json(path, options) {
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
