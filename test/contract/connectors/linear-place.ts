/** The Linear of `emulate` with a team, for the tests of connectors linear and graphql. */
import { startEmulator } from '#kit';

export const TOKEN = 'lin_test_admin';

export async function linearPlace() {
  const seed = {
    organization: { name: 'Acme', url_key: 'acme' },
    users: [{ email: 'ada@example.com', name: 'Ada', admin: true }],
    teams: [{ key: 'ENG', name: 'Engineering', states: [{ name: 'Todo', type: 'unstarted' }] }],
    tokens: [{ token: TOKEN, user: 'ada@example.com', scopes: ['read', 'write', 'admin'] }],
  };
  const { url } = await startEmulator('linear', seed);
  const ask = async (query: string, variables: object = {}) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await answer.json()) as { data: { teams: { nodes: { id: string }[] } }; errors?: object };
    if (errors !== undefined) throw new Error(JSON.stringify(errors));
    return data;
  };
  const teamId = (await ask('{ teams { nodes { id } } }')).teams.nodes[0]?.id ?? '';
  const fill = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      const input = { teamId, title: `i${i}` };
      await ask('mutation($input: IssueCreateInput!) { issueCreate(input: $input) { success } }', { input });
    }
  };
  return { url, teamId, fill };
}
