/** A record that was given up on, as the dead letter it becomes: its bytes copied, with all that is known of why. */
import type { DeadLetter } from '#log';
import type { Header } from '#record';
import type { Flow } from './flow.ts';
import type { DeadNotice } from './task.ts';

/** `source` is who gave up, `at` when. */
export function bury(source: string, at: number, flow: Flow, notice: DeadNotice): DeadLetter {
  const { code, message, stack, attempts } = notice;
  return {
    topic: flow.topic,
    partition: flow.partition,
    offset: flow.offset,
    key: own(flow.buffer, flow.keyAt, flow.keyLength),
    value: own(flow.buffer, flow.valueAt, flow.valueLength),
    headers: flow.headers.map(({ key, value }): Header => ({ key, value: value && Uint8Array.from(value) })),
    timestamp: flow.timestamp,
    source,
    attempts,
    code,
    message,
    ...(stack === undefined ? {} : { stack }),
    at,
  };
}

function own(buffer: Uint8Array, from: number, length: number): Uint8Array | null {
  return length < 0 ? null : Uint8Array.from(buffer.subarray(from, from + length));
}
