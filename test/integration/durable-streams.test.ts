/**
 * The public conformance suite of the Durable Streams protocol, whole, against the built server: once with the server
 * as the suite's base, once with the root of the streams, as a service might hand it out.
 */
import { runConformanceTests } from '@durable-streams/server-conformance-tests';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Server, startServer } from '#kit';

let server: Server;

beforeAll(async () => {
  // Nothing depends on how long a long poll waits, but the time this takes does.
  server = await startServer({ args: ['--limit', 'streamWaitMs=500'] });
});

afterAll(() => server.stop());

describe.each(['', '/v1/stream'])('the conformance suite below %j', (root) => {
  runConformanceTests({
    get baseUrl() {
      return `${server.url}${root}`;
    },
  });
});
