// A client of Live sockets, for the suites: it speaks as SDKs do and remembers all that it hears.

import assert from "node:assert/strict";

import { WebSocket } from "./local.mjs";
import { said } from "./staged.mjs";

export const MODEL = "models/gemini-live-2.5-flash-preview";
const PATIENCE = 20_000;

export const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

/** A turn, whole. */
export const turn = (text) => ({
  clientContent: { turns: [{ role: "user", parts: [{ text }] }], turnComplete: true },
});

/** A socket; it throws the status of whoever refuses it. */
export async function knock(url, path, headers) {
  const address = new URL(path, url);
  address.protocol = "ws:";
  const socket = new WebSocket(address, { headers, perMessageDeflate: false });
  const client = new Client(socket);
  await new Promise((opened, refused) => {
    socket.once("upgrade", ({ headers }) => (client.head = headers));
    socket.once("open", opened);
    socket.once("unexpected-response", (_, answer) => refused(answer.statusCode));
    socket.once("error", refused);
  });
  return client;
}

/** What a socket says is a message, or its end: the code and the reason. */
class Client {
  #heard = [];
  #wake = () => {};

  constructor(socket) {
    this.socket = socket;
    const hear = (what) => {
      said.push(JSON.stringify(what));
      this.#heard.push(what);
      this.#wake();
    };
    socket.on("message", (bytes, binary) => hear({ text: String(bytes), binary }));
    socket.on("close", (code, reason) => hear([code, String(reason)]));
    socket.on("error", () => {});
  }

  /** The next, as it came. */
  async frame() {
    const late = AbortSignal.timeout(PATIENCE);
    while (!this.#heard.length) {
      if (late.aborted) assert.fail("not a word");
      await Promise.race([new Promise((wake) => (this.#wake = wake)), sleep(1000)]);
    }
    return this.#heard.shift();
  }

  /** The next, read. */
  async said() {
    const heard = await this.frame();
    return Array.isArray(heard) ? heard : JSON.parse(heard.text);
  }

  send(message, binary = false) {
    const text = JSON.stringify(message);
    this.socket.send(binary ? Buffer.from(text) : text);
  }

  setUp(more = {}, binary = false) {
    const generationConfig = { responseModalities: ["TEXT"] };
    this.send({ setup: { model: MODEL, generationConfig, ...more } }, binary);
    return this.said();
  }

  /** Says a turn, and listens to the answer's end, or the socket's. */
  async ask(text, binary = false) {
    this.send(turn(text), binary);
    return this.listen();
  }

  async listen() {
    let answer = "";
    for (;;) {
      const message = await this.said();
      if (Array.isArray(message)) return message;
      const { modelTurn, turnComplete } = message.serverContent ?? {};
      answer += modelTurn?.parts[0].text ?? "";
      if (turnComplete) return answer;
    }
  }
}
