/** Connector graphql, declared for the Linear of `emulate`. */
import { type HttpPlace, httpSuite } from '#kit';
import graphql from '../../../connectors/graphql/index.ts';
import { linearPlace, TOKEN } from './linear-place.ts';

const NODES = 'nodes { id title description updatedAt team { id } } pageInfo { hasNextPage endCursor }';

httpSuite(graphql, async (): Promise<HttpPlace> => {
  const { url, teamId, fill } = await linearPlace();
  return {
    url,
    config: (at) => ({
      url: `${at}/graphql`,
      auth: { kind: 'bearer', token: TOKEN },
      check: '{ viewer { id } }',
      streams: {
        issues: {
          query: `query($first: Int, $after: String) { issues(first: $first, after: $after) { ${NODES} } }`,
          records: 'data.issues.nodes',
          page: 'data.issues.pageInfo',
          key: ['id'],
          fields: { title: 'string', teamId: { type: 'string', from: 'team.id' }, updatedAt: 'timestamp' },
          incremental: { cursor: 'updatedAt' },
          one: { query: 'query($id: String!) { issue(id: $id) { id title } }', record: 'data.issue' },
          insert: { mutation: 'mutation($input: IssueCreateInput!) { issueCreate(input: $input) { success } }' },
          delete: {
            mutation: 'mutation($id: String!) { issueDelete(id: $id) { success } }',
            variable: '',
            body: 'keys',
          },
        },
      },
    }),
    stream: 'issues',
    mine: ({ title }) => /^i\d/.test(String(title)),
    cursor: 'updatedAt',
    fill,
    faulty: () => true,
    write: {
      row: (i) => ({ teamId, title: `i${i}`, description: 'ünï "codé"' }),
      changed: (row) => row,
      poison: { teamId: 'nowhere', title: 'x' },
    },
  };
});
