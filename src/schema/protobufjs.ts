/** protobufjs, loaded with the first schema in Protobuf: a server may never have one. Asked for with each value. */
import { createRequire } from 'node:module';
import type Protobuf from 'protobufjs';
import type ProtoJson from 'protobufjs/ext/protojson.js';

const require = createRequire(import.meta.url);
let library: typeof Protobuf | undefined;
let json: typeof ProtoJson | undefined;

export function protobufjs(): typeof Protobuf {
  library ??= require('protobufjs') as typeof Protobuf;
  return library;
}

/** Values in Protobuf's canonical JSON. */
export function protojson(): typeof ProtoJson {
  json ??= require('protobufjs/ext/protojson.js') as typeof ProtoJson;
  return json;
}
