// socket.io with its Redis adapter, as its documentation shows it: node socketio.cjs PORT BROKER
"use strict";

const { createServer } = require("node:http");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

async function main(port, broker) {
  const publisher = createClient({ socket: { path: broker } });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const server = createServer((request, response) => response.end("ok"));
  new Server(server, { adapter: createAdapter(publisher, subscriber) });
  server.listen(port, "127.0.0.1");
}

main(Number(process.argv[2]), process.argv[3]);
