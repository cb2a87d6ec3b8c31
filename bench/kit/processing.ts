/** For benches of processors: fill a topic, deploy a processor on it, and wait until it has read everything. */
import { fileURLToPath } from 'node:url';
import type { Client } from '#client';
import { encodeBatch, type RecordInput } from '#record';
import { decodeAnswers, maskedFrame, RawConnection } from './load.ts';

/** The folder of the modules that benches deploy. */
export const PROCESSORS: string = fileURLToPath(new URL('../processors', import.meta.url));
const IN_FLIGHT = 64;
const POLL_MS = 20;

interface Status {
  readonly state: string;
  readonly lag: number;
  readonly error: { readonly message: string } | null;
}

/** Appends batches one after the other to partitions in turn; resolves when all are on the disk. */
export async function fill(
  url: string,
  topic: string,
  partitions: number,
  batches: number,
  records: (batch: number) => readonly RecordInput[],
): Promise<void> {
  const connection = await RawConnection.open(url);
  let sent = 0;
  let acknowledged = 0;
  const send = () => {
    if (sent === batches) return;
    const partition = sent % partitions;
    const batch = encodeBatch(records(sent++));
    connection.socket.write(maskedFrame({ op: 'produce', id: 1, topic, partition, batch }));
  };
  await new Promise<void>((resolve) => {
    connection.onMessage = (payload) => {
      for (const answer of decodeAnswers(payload)) {
        if (answer.op === 'error') throw new Error(`the server refused a frame: ${JSON.stringify(answer)}`);
        if (answer.op !== 'produced') continue;
        acknowledged++;
        send();
      }
      if (acknowledged === batches) resolve();
    };
    for (let i = 0; i < IN_FLIGHT; i++) send();
  });
  connection.close();
}

/** Seconds from now until the processor has committed everything there is. */
export async function drained(client: Client, name: string): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const { state, lag, error } = await client.admin.call<Status>('GET', `/v1/processors/${name}/status`);
    if (state === 'failed') throw new Error(`the processor failed: ${error?.message}`);
    if (lag === 0) return (performance.now() - startedAt) / 1000;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Deploys it paused at the beginning, lets it go, and answers the seconds it took to read everything. */
export async function timeProcessor(client: Client, name: string, spec: object): Promise<number> {
  await client.admin.put('processors', name, spec);
  return drained(client, name);
}
