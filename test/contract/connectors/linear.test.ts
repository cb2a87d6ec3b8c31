/** Connector linear against the emulator of `emulate`. */
import { type HttpPlace, httpSuite } from '#kit';
import linear from '../../../connectors/linear/index.ts';
import { linearPlace, TOKEN } from './linear-place.ts';

httpSuite(linear, async (): Promise<HttpPlace> => {
  const { url, teamId, fill } = await linearPlace();
  return {
    url,
    config: (at) => ({ url: `${at}/graphql`, token: TOKEN }),
    stream: 'issues',
    mine: ({ title }) => /^i\d/.test(String(title)),
    fill,
    faulty: () => true,
    write: {
      row: (i) => ({ teamId, title: `i${i}`, description: 'ünï "codé"', priority: 2 }),
      changed: (row) => row,
      poison: { teamId: 'nowhere', title: 'x' },
    },
  };
});
