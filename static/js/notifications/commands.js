// Commands on their way: each waits for its `ok` or `error`. No transport.

const IDS_PER_FRAME = 150; // so many ids of 19 digits fit into 4 KB

/** A command was refused; with the code "offline", its answer was lost. */
export class CommandError extends Error {
  constructor(code, detail = code) {
    super(detail);
    this.code = code;
  }
}

/** Settles commands that go out by `send(frame)`, which tells whether it could. */
export class Commands {
  #send;
  #lastRef = 0;
  #waiting = new Map();

  constructor(send) {
    this.#send = send;
  }

  run(frame) {
    const ref = ++this.#lastRef;
    return new Promise((resolve, reject) => {
      if (this.#send({ ...frame, ref })) {
        this.#waiting.set(ref, { resolve, reject });
      } else {
        reject(new CommandError("offline"));
      }
    });
  }

  /** Run a command in as many frames as its ids take. */
  runOn(type, ids) {
    const frames = [];
    for (let at = 0; at < ids.length || !at; at += IDS_PER_FRAME) {
      frames.push(this.run({ type, ids: ids.slice(at, at + IDS_PER_FRAME) }));
    }
    return Promise.all(frames);
  }

  /** Settle the command that a frame answers. */
  answer({ type, ref, code, detail }) {
    const waiting = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    if (type === "ok") {
      waiting?.resolve();
    } else {
      waiting?.reject(new CommandError(code, detail));
    }
  }

  /** Give up on every answer. */
  abandon() {
    this.#waiting.forEach(({ reject }) => reject(new CommandError("offline")));
    this.#waiting.clear();
  }
}
