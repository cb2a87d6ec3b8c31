/** Random workflows for tests: every kind of task that the engine has, nested, with calls whose outcome is written in their name. */
import type { Result } from '../../../src/workflow/engine/behaviour.ts';

type Random = () => number;

const CALL = { call: 'http', with: { method: 'get', endpoint: 'http://127.0.0.1:1/' } };

/** A list of tasks, nested at most `depth` deep. */
export function randomTasks(random: Random, depth: number): unknown[] {
  const count = 1 + Math.floor(random() * 4);
  return Array.from({ length: count }, (_, index) => {
    const [kind, task] = randomTask(random, depth, index === count - 1);
    return { [`${kind}${index}`]: task };
  });
}

function randomTask(random: Random, depth: number, isLast: boolean): [name: string, task: object] {
  const kinds = depth === 0 ? LEAVES : [...LEAVES, ...CONTAINERS];
  const kind = kinds[Math.floor(random() * kinds.length)] as Kind;
  const task = MAKERS[kind](random, depth);
  if (!isLast && random() < 0.05) return [kind, { ...task, then: random() < 0.5 ? 'exit' : 'end' }];
  if (random() < 0.1) return [kind, { ...task, export: { as: '{ last: . }' } }];
  return [kind, task];
}

const LEAVES = ['set', 'set', 'switch', 'call', 'fails', 'wait', 'emit', 'raise', 'skipped'] as const;
const CONTAINERS = ['do', 'for', 'fork', 'compete', 'try', 'retry'] as const;
type Kind = (typeof LEAVES)[number] | (typeof CONTAINERS)[number];

const MAKERS: Record<Kind, (random: Random, depth: number) => object> = {
  set: (random) => ({ set: { n: Math.floor(random() * 100), text: 'été €' } }),
  switch: () => ({ switch: [{ one: { when: '.n == 5', then: 'continue' } }, { other: { then: 'continue' } }] }),
  call: () => CALL,
  fails: () => CALL,
  wait: (random) => ({ wait: { milliseconds: 500 + Math.floor(random() * 3_000) } }),
  emit: () => ({ emit: { event: { with: { type: 'made', source: 'test', data: '${ . }' } } } }),
  raise: () => ({ raise: { error: { type: 'https://example.com/errors/made', status: 422 } } }),
  skipped: () => ({ if: '.n == -1', set: { n: -2 } }),
  do: (random, depth) => ({ do: randomTasks(random, depth - 1) }),
  for: (random, depth) => ({ for: { in: '${ [1, 2, 3] }' }, do: randomTasks(random, depth - 1) }),
  fork: (random, depth) => ({ fork: { branches: randomTasks(random, depth - 1) } }),
  compete: (random, depth) => ({ fork: { compete: true, branches: randomTasks(random, depth - 1) } }),
  try: (random, depth) => ({
    try: randomTasks(random, depth - 1),
    catch: { do: [{ handled: { set: { caught: '${ $error.status }' } } }] },
  }),
  retry: (random, depth) => ({
    try: randomTasks(random, depth - 1),
    catch: { retry: { delay: { seconds: 1 }, backoff: { linear: {} }, limit: { attempt: { count: 2 } } } },
  }),
};

/** The outcome of the call at a place: always the same. */
export function scriptedOutput(task: string): Result {
  const name = task.slice(task.lastIndexOf('/') + 1);
  if (!name.startsWith('fails')) return { ok: true, output: { n: name.length, from: name } };
  return { ok: false, error: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication', status: 503 } };
}
