/** Changes out of GitHub's webhooks: the event is named in a header, what happened in `action`. */
import { at, type JsonObject, type WebhookChange } from '#connector';
import { issueOf } from './streams.ts';

/** By event: the stream, and where in the body its record is. */
const EVENTS: Readonly<Record<string, readonly [stream: string, path: string]>> = {
  issues: ['issues', 'issue'],
  issue_comment: ['issue_comments', 'comment'],
  pull_request: ['pull_requests', 'pull_request'],
  release: ['releases', 'release'],
  label: ['labels', 'label'],
  milestone: ['milestones', 'milestone'],
};
const BEGINNINGS = ['opened', 'created', 'transferred'];

export function changesOf(body: unknown, headers: Readonly<Record<string, string>>): readonly WebhookChange[] {
  const [stream, path] = EVENTS[headers['x-github-event'] ?? ''] ?? [];
  const record = path === undefined ? undefined : (at(body, path) as JsonObject | undefined);
  if (stream === undefined || record === undefined || record === null) return [];
  const owner = at(body, 'repository.owner.login');
  const repo = at(body, 'repository.name');
  const action = String(at(body, 'action'));
  const op = action === 'deleted' ? 'delete' : BEGINNINGS.includes(action) ? 'insert' : 'update';
  const issue_number = stream === 'issue_comments' ? { issue_number: issueOf(record) } : {};
  const when = record['updated_at'];
  return [
    {
      stream,
      op,
      record: { ...record, owner, repo, ...issue_number },
      ...(typeof when === 'string' ? { at: when } : {}),
    },
  ];
}
