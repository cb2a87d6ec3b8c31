/** The streams of GitHub: what is asked for each, its fields and key, and how it is written. */
import {
  type Fields,
  type HttpStream,
  type HttpWrite,
  type JsonObject,
  type Paging,
  type Partitions,
  pick,
} from '#connector';

const PAGING: Paging = { kind: 'link', size: { query: 'per_page', max: 100 } };
const PLACE = { owner: 'string', repo: 'string' } as const;
const TIMES = { created_at: 'timestamp', updated_at: 'timestamp' } as const;

const ISSUE: Fields = {
  ...PLACE,
  number: 'int64',
  id: 'int64',
  title: 'string',
  body: 'string',
  state: 'string',
  state_reason: 'string',
  user_login: { type: 'string', from: 'user.login' },
  label_names: { type: 'string[]', from: 'labels.*.name' },
  assignee_logins: { type: 'string[]', from: 'assignees.*.login' },
  milestone_number: { type: 'int64', from: 'milestone.number' },
  comments: 'int64',
  ...TIMES,
  closed_at: 'timestamp',
};
const ISSUE_BODY = {
  title: 'title',
  body: 'body',
  state: 'state',
  state_reason: 'state_reason',
  label_names: 'labels',
  assignee_logins: 'assignees',
  milestone_number: 'milestone',
};
const PULL: Fields = {
  ...PLACE,
  number: 'int64',
  id: 'int64',
  title: 'string',
  body: 'string',
  state: 'string',
  draft: 'boolean',
  user_login: { type: 'string', from: 'user.login' },
  head_ref: { type: 'string', from: 'head.ref' },
  base_ref: { type: 'string', from: 'base.ref' },
  ...TIMES,
  closed_at: 'timestamp',
  merged_at: 'timestamp',
};
const COMMIT: Fields = {
  ...PLACE,
  sha: 'string',
  message: { type: 'string', from: 'commit.message' },
  author_name: { type: 'string', from: 'commit.author.name' },
  author_email: { type: 'string', from: 'commit.author.email' },
  authored_at: { type: 'timestamp', from: 'commit.author.date' },
  committed_at: { type: 'timestamp', from: 'commit.committer.date' },
  parents: 'json',
};

/** `/repos/{owner}/{repo}/…` with a body of some members. */
function write(
  method: 'POST' | 'PATCH',
  path: string,
  members: readonly string[] | Readonly<Record<string, string>>,
): HttpWrite {
  return { request: ({ record }) => ({ method, path: `/repos/{owner}/{repo}${path}`, json: pick(record, members) }) };
}

function remove(path: string): HttpWrite {
  return { request: () => ({ method: 'DELETE', path: `/repos/{owner}/{repo}${path}` }) };
}

export function streamsOf(repositories: readonly string[]): readonly HttpStream[] {
  const list = repositories.map((one) => {
    const [owner, repo] = one.split('/');
    return { owner, repo };
  });
  const partitions: Partitions =
    list.length > 0 ? { list } : { parent: 'repositories', values: { owner: 'owner', repo: 'repo' } };
  return [repositoriesOf(list), ...talkOf(partitions), ...codeOf(partitions), ...labelsOf(partitions)];
}

function repositoriesOf(list: readonly JsonObject[]): HttpStream {
  return {
    name: 'repositories',
    fields: {
      owner: { type: 'string', from: 'owner.login' },
      repo: { type: 'string', from: 'name' },
      id: 'int64',
      description: 'string',
      private: 'boolean',
      default_branch: 'string',
      language: 'string',
      ...TIMES,
      pushed_at: 'timestamp',
    },
    primaryKey: ['owner', 'repo'],
    one: { request: { path: '/repos/{owner}/{repo}' }, record: '' },
    read: {
      request:
        list.length > 0
          ? { path: '/repos/{owner}/{repo}' }
          : { path: '/user/repos', query: { sort: 'created', direction: 'asc' } },
      records: '',
      map: (record) => record,
      ...(list.length > 0 ? { partitions: { list } } : { paging: PAGING }),
    },
  };
}

function talkOf(partitions: Partitions): HttpStream[] {
  return [
    {
      name: 'issues',
      fields: ISSUE,
      primaryKey: ['owner', 'repo', 'number'],
      one: { request: { path: '/repos/{owner}/{repo}/issues/{number}' }, record: '' },
      read: {
        request: ({ mode, from }) => ({
          path: '/repos/{owner}/{repo}/issues',
          query: { state: 'all', direction: 'asc', sort: mode === 'full' ? 'created' : 'updated', since: from },
        }),
        records: '',
        // GitHub lists pull requests among issues.
        filter: (record) => record['pull_request'] === undefined,
        paging: PAGING,
        partitions,
        incremental: { cursor: 'updated_at', kind: 'datetime', order: 'ascending' },
      },
      writes: {
        insert: write('POST', '/issues', ISSUE_BODY),
        update: write('PATCH', '/issues/{number}', ISSUE_BODY),
      },
    },
    {
      name: 'issue_comments',
      fields: {
        ...PLACE,
        id: 'int64',
        issue_number: 'int64',
        body: 'string',
        user_login: { type: 'string', from: 'user.login' },
        ...TIMES,
      },
      primaryKey: ['owner', 'repo', 'id'],
      one: { request: { path: '/repos/{owner}/{repo}/issues/comments/{id}' }, record: '' },
      read: {
        request: ({ mode, from }) => ({
          path: '/repos/{owner}/{repo}/issues/comments',
          query: { direction: 'asc', sort: mode === 'full' ? 'created' : 'updated', since: from },
        }),
        records: '',
        map: (record, partition) => ({ ...partition, ...record, issue_number: issueOf(record) }),
        paging: PAGING,
        partitions,
        incremental: { cursor: 'updated_at', kind: 'datetime', order: 'ascending' },
      },
      writes: {
        insert: write('POST', '/issues/{issue_number}/comments', ['body']),
        update: write('PATCH', '/issues/comments/{id}', ['body']),
        delete: remove('/issues/comments/{id}'),
      },
    },
  ];
}

/** The comment has only the address of its issue. */
export function issueOf({ issue_url }: JsonObject): number | undefined {
  const [, number] = /\/issues\/(\d+)$/.exec(String(issue_url)) ?? [];
  return number === undefined ? undefined : Number(number);
}

function codeOf(partitions: Partitions): HttpStream[] {
  return [
    {
      name: 'pull_requests',
      fields: PULL,
      primaryKey: ['owner', 'repo', 'number'],
      one: { request: { path: '/repos/{owner}/{repo}/pulls/{number}' }, record: '' },
      read: {
        request: ({ mode }) => ({
          path: '/repos/{owner}/{repo}/pulls',
          query: {
            state: 'all',
            ...(mode === 'full' ? { sort: 'created', direction: 'asc' } : { sort: 'updated', direction: 'desc' }),
          },
        }),
        records: '',
        paging: PAGING,
        partitions,
        incremental: { cursor: 'updated_at', kind: 'datetime', order: 'newest first' },
      },
    },
    {
      name: 'commits',
      fields: COMMIT,
      primaryKey: ['owner', 'repo', 'sha'],
      one: { request: { path: '/repos/{owner}/{repo}/commits/{sha}' }, record: '' },
      read: {
        request: ({ from }) => ({ path: '/repos/{owner}/{repo}/commits', query: { since: from } }),
        records: '',
        paging: PAGING,
        partitions,
        incremental: { cursor: 'committed_at', kind: 'datetime' },
      },
    },
    {
      name: 'releases',
      fields: {
        ...PLACE,
        id: 'int64',
        tag_name: 'string',
        name: 'string',
        body: 'string',
        draft: 'boolean',
        prerelease: 'boolean',
        created_at: 'timestamp',
        published_at: 'timestamp',
      },
      primaryKey: ['owner', 'repo', 'id'],
      one: { request: { path: '/repos/{owner}/{repo}/releases/{id}' }, record: '' },
      read: { request: { path: '/repos/{owner}/{repo}/releases' }, records: '', paging: PAGING, partitions },
      writes: {
        insert: write('POST', '/releases', ['tag_name', 'name', 'body', 'draft', 'prerelease']),
        update: write('PATCH', '/releases/{id}', ['tag_name', 'name', 'body', 'draft', 'prerelease']),
        delete: remove('/releases/{id}'),
      },
    },
  ];
}

function labelsOf(partitions: Partitions): HttpStream[] {
  return [
    {
      name: 'labels',
      fields: { ...PLACE, name: 'string', id: 'int64', color: 'string', description: 'string', default: 'boolean' },
      primaryKey: ['owner', 'repo', 'name'],
      one: { request: { path: '/repos/{owner}/{repo}/labels/{name}' }, record: '' },
      read: { request: { path: '/repos/{owner}/{repo}/labels' }, records: '', paging: PAGING, partitions },
      writes: {
        insert: write('POST', '/labels', ['name', 'color', 'description']),
        update: write('PATCH', '/labels/{name}', ['color', 'description']),
        upsert: { upsert: 'update or insert' },
        delete: remove('/labels/{name}'),
      },
    },
    {
      name: 'milestones',
      fields: {
        ...PLACE,
        number: 'int64',
        id: 'int64',
        title: 'string',
        description: 'string',
        state: 'string',
        due_on: 'timestamp',
        ...TIMES,
      },
      primaryKey: ['owner', 'repo', 'number'],
      one: { request: { path: '/repos/{owner}/{repo}/milestones/{number}' }, record: '' },
      read: {
        request: { path: '/repos/{owner}/{repo}/milestones', query: { state: 'all' } },
        records: '',
        paging: PAGING,
        partitions,
      },
      writes: {
        insert: write('POST', '/milestones', ['title', 'description', 'state', 'due_on']),
        update: write('PATCH', '/milestones/{number}', ['title', 'description', 'state', 'due_on']),
        delete: remove('/milestones/{number}'),
      },
    },
  ];
}
