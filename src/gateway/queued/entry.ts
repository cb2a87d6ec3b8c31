/**
 * The delivery thread: makes the attempts of queued requests, so that neither the log's thread nor the listeners have to
 * do with slow upstreams. It is told upstreams and what to deliver, and tells what became of it.
 */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { systemClock } from '#kernel';
import type { NamedUpstream } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';
import { type Delivered, Delivery, type DeliveryRequest } from './delivery.ts';

export type ToDelivery =
  | { readonly kind: 'upstreams'; readonly upstreams: readonly NamedUpstream[] }
  | { readonly kind: 'deliver'; readonly number: number; readonly upstream: string; readonly request: DeliveryRequest };

export interface FromDelivery {
  readonly number: number;
  readonly delivered: Delivered;
}

const port = parentPort as MessagePort;
let upstreams = new Map<string, Upstream>();

function replace(newest: readonly NamedUpstream[]): void {
  const left = upstreams;
  upstreams = new Map(
    newest.map(({ name, spec }) => {
      const before = left.get(name);
      left.delete(name);
      const same = before !== undefined && JSON.stringify(before.spec) === JSON.stringify(spec);
      return [name, same ? before : new Upstream(name, spec, systemClock, before)];
    }),
  );
  for (const gone of left.values()) gone.retire();
}

port.on('message', (message: ToDelivery) => {
  if (message.kind === 'upstreams') {
    replace(message.upstreams);
    return;
  }
  const { number, upstream, request } = message;
  const done = (delivered: Delivered) => port.postMessage({ number, delivered } satisfies FromDelivery);
  new Delivery(request, () => upstreams.get(upstream), systemClock, done).begin();
});
