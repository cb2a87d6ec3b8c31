/** Connections to a target: few while it is quick, as many as are needed while it is not, never more than allowed. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { waitFor } from '#kit';
import { AddressRule, guardedLookup } from '../../../src/gateway/upstream/address.ts';
import type { Carried } from '../../../src/gateway/upstream/carried.ts';
import { Connections } from '../../../src/gateway/upstream/connections.ts';
import { Origin } from '../../../src/gateway/upstream/origin.ts';
import { writtenRequest } from '../../../src/gateway/upstream/request-text.ts';

/** A server that answers when it is told to. */
async function target(max: number) {
  const held: ServerResponse[] = [];
  let arrived = 0;
  let sockets = 0;
  const server = createServer((_, response) => {
    arrived++;
    held.push(response);
  });
  server.on('connection', () => sockets++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const lookup = guardedLookup(new AddressRule(['127.0.0.0/8']));
  const connections = new Connections(new Origin(url, { connectMs: 2_000, lookup }), max);
  let ended = 0;
  const carry = () => {
    const carried = {
      abandoned: false as boolean,
      begun: () => undefined,
      answered: () => undefined,
      data: () => undefined,
      ended: () => ended++,
      failed: () => undefined,
    } satisfies Carried;
    connections.carry(writtenRequest({ method: 'GET', path: '/', headers: ['host', url.host], body: null }), carried);
    return carried;
  };
  onTestFinished(() => {
    connections.destroy();
    server.closeAllConnections();
    server.close();
  });
  const answer = () => {
    for (const response of held.splice(0)) response.end('ok');
  };
  return { carry, answer, connections, counts: () => ({ arrived, sockets, ended }) };
}

test('a target that lets wait gets as many connections as there are requests', async () => {
  const { carry, answer, counts } = await target(100);
  for (let i = 0; i < 60; i++) carry();
  await waitFor(() => counts().arrived === 60, { what: 'all requests to be under way at once' });
  answer();
  await waitFor(() => counts().ended === 60, { what: 'all answers' });
  for (let i = 0; i < 60; i++) carry();
  await waitFor(() => counts().arrived === 120, { what: 'as many again' });
  expect(counts().sockets).toBe(60);
  answer();
});

test('no more connections are opened than allowed, and what waits goes next; what is given up meanwhile is not sent', async () => {
  const { carry, answer, counts } = await target(3);
  const carried = Array.from({ length: 10 }, carry);
  const given = carried[9];
  if (given !== undefined) given.abandoned = true;
  await waitFor(() => counts().arrived === 3, { what: 'three to arrive' });
  await waitFor(
    () => {
      answer();
      return counts().ended === 9;
    },
    { what: 'all but the one given up' },
  );
  expect(counts()).toEqual({ arrived: 9, sockets: 3, ended: 9 });
});

test('connections that are retired end what is under way and what waits, then close', async () => {
  const { carry, answer, connections, counts } = await target(1);
  carry();
  carry();
  await waitFor(() => counts().arrived === 1, { what: 'the first to arrive' });
  connections.retire();
  await waitFor(
    () => {
      answer();
      return counts().ended === 2;
    },
    { what: 'both answers' },
  );
});
