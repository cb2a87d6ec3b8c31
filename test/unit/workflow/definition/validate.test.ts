/** Whether a document is one: what is refused, where, and why. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, SluiceError } from '#kernel';
import { validateDefinition } from '#workflow';

const HEAD = "document: {dsl: '1.0.3', namespace: test, name: checked, version: '1.0.0'}\n";

function fault(text: unknown): string {
  try {
    validateDefinition(text);
  } catch (error) {
    expect(error).toBeInstanceOf(SluiceError);
    expect((error as SluiceError).code).toBe('WORKFLOW_INVALID');
    return (error as SluiceError).message;
  }
  return 'none';
}

const tasks = (text: string): string => `${HEAD}do:\n${text}`;

describe('a document', () => {
  test('may be YAML, JSON, or a value', () => {
    const value = {
      document: { dsl: '1.0.3', namespace: 'n', name: 'a', version: '1.0.0' },
      do: [{ a: { set: { b: 1 } } }],
    };
    expect(validateDefinition(value)).toBe(value);
    expect(validateDefinition(JSON.stringify(value))).toEqual(value);
    expect(validateDefinition(tasks("- a: {set: {b: '${ .c }'}}"))).toMatchObject({
      do: [{ a: { set: { b: '${ .c }' } } }],
    });
  });

  test('may have all that Sluice adds', () => {
    const text = `${HEAD}
use: {secrets: [erp], timeouts: {day: {after: {days: 1}}}}
triggers:
  - posted: {webhook: {signature: {secret: erp}}, when: .total > 0}
  - changed: {change: {job: crm, stream: orders, operations: [insert]}, input: '{ id: .after.id }'}
compensation: {on: [fault, cancel]}
do:
  - rows: {connector: {endpoint: erp, lookup: {stream: orders, key: '\${ .id }'}}}
  - book:
      connector: {endpoint: erp, write: {stream: bookings, mode: insert, records: '\${ . }'}}
      undo:
        - unbook: {connector: {endpoint: erp, write: {stream: bookings, mode: delete, records: '\${ $task.input }'}}}
  - approve:
      human:
        title: Approve
        candidates: {groups: [finance]}
        outcomes: [{approve: {}}, {reject: {reason: required}}]
        approvals: {count: 2, requester: '\${ .requestedBy }'}
        due: {after: {hours: 8}, businessHours: {timezone: Europe/Berlin, week: {mon: ['09:00-17:00']}}}
        reminders: [{before: PT1H}]
        escalate: [{overdue: PT0S, to: {groups: [managers]}, do: [{tell: {set: {told: true}}}]}]
        notify: [{endpoint: mail, record: {link: '\${ $links.approve }'}}]
      timeout: day
  - each: {for: {in: .lines, concurrency: 5, tolerate: {percent: 10}}, do: [{one: {set: {line: '\${ $item }'}}}]}
  - later: {wait: {until: '\${ .due }'}}
  - copy: {sync: {job: crm, mode: incremental}}
  - undo: {compensate: {tasks: [book]}}
`;
    expect(fault(text)).toBe('none');
  });
});

describe('what does not fit the schema is refused with its path', () => {
  test.each([
    ['do: []', '"document" is missing'],
    [`${HEAD}`, '"do" is missing'],
    [`${HEAD}do: []\nmore: 1`, '/: there is no field "more" here'],
    [`${HEAD.replace('1.0.3', '2.0.0')}do: []`, '/document/dsl: it is not written'],
    [`${HEAD.replace('checked', 'no name')}do: []`, '/document/name'],
    [tasks('- a: {jump: 1}'), '/do/0/a: it is no kind of task'],
    [tasks('- a: {set: {b: 1}, wait: {seconds: 1}}'), '/do/0/a: there is no field "wait" here'],
    [tasks('- a: {set: {}}'), '/do/0/a/set'],
    [tasks('- {a: {set: {b: 1}}, c: {set: {b: 1}}}'), '/do/0: it must have exactly one field'],
    [tasks('- a: {call: http, with: {method: get}}'), '/do/0/a/with: "endpoint" is missing'],
    [tasks('- a: {call: http, with: {method: get, endpoint: "http://x", verb: 1}}'), 'there is no field "verb" here'],
    [tasks('- a: {wait: {hour: 1}}'), '/do/0/a/wait: there is no field "hour"'],
    [tasks('- a: {wait: soon}'), '/do/0/a/wait: it is not a duration'],
    [
      tasks('- a: {do: [{b: {try: [], catch: {retry: {backoff: {random: {}}}}}}]}'),
      '/do/0/a/do/0/b/catch/retry/backoff',
    ],
    [tasks('- a: {connector: {endpoint: e, read: {stream: s}, lookup: {stream: s, key: 1}}}'), '/do/0/a/connector'],
    [tasks('- a: {listen: {to: {all: [], any: []}}}'), '/do/0/a/listen/to'],
    [`${HEAD}do: []\nevaluate: {mode: loose}`, '/evaluate/mode: it must be one of strict'],
    ['just text', 'a workflow is an object'],
    ['[1]', 'a workflow is an object'],
    ['', 'a workflow is an object'],
  ])('%#', (text, why) => {
    expect(fault(text)).toContain(why);
  });
});

describe('what a schema cannot say is refused with its path', () => {
  test.each([
    [tasks('- a: {set: {b: 1}, then: c}'), '/do/0/a/then: there is no task c in this list'],
    [tasks('- a: {do: [{b: {set: {c: 1}, then: a}}]}'), '/do/0/a/do/0/b/then'],
    [tasks('- a: {switch: [{x: {when: .b, then: nowhere}}]}'), '/do/0/a/switch/0/x/then'],
    [tasks('- a: {switch: [{x: {then: end}}, {y: {then: end}}]}'), 'only one case'],
    [tasks('- a: {set: {b: 1}}\n- a: {set: {b: 1}}'), '/do: a is there twice'],
    [tasks('- a: {set: {b: 1}, timeout: day}'), '/do/0/a/timeout: there is no day in use.timeouts'],
    [tasks('- a: {raise: {error: gone}}'), '/do/0/a/raise/error: there is no gone in use.errors'],
    [tasks('- a: {try: [], catch: {retry: often}}'), 'there is no often in use.retries'],
    [tasks('- a: {call: greet}'), '/do/0/a/call: there is no function greet'],
    [tasks('- a: {call: "greet:1.0.0@mine"}'), 'there is no catalog mine'],
    [
      tasks('- a: {call: http, with: {method: get, endpoint: {uri: "http://x", authentication: {use: none}}}}'),
      '/do/0/a/with/endpoint/authentication: there is no authentication none',
    ],
    [
      tasks('- a: {call: http, with: {method: get, endpoint: {uri: "http://x", authentication: {basic: {use: s}}}}}'),
      'there is no secret s in use.secrets',
    ],
    [tasks('- a: {compensate: {tasks: [b]}}'), 'no task of the name b has an undo'],
    [tasks("- a: {if: '.a ==', set: {b: 1}}"), '/do/0/a/if: the expression does not compile'],
    [tasks("- a: {set: {b: '${ .c | }'}}"), '/do/0/a/set/b: the expression does not compile'],
    [tasks("- a: {set: {b: '${ $item }'}}"), '/do/0/a/set/b: $item is not known here'],
    [tasks("- a: {for: {in: .l, each: x}, do: [{b: {set: {c: '${ $item }'}}}]}"), '$item is not known here'],
    [tasks("- a: {set: {b: '${ env }'}}"), 'env is not available'],
    [`${HEAD}do: []\nschedule: {cron: '61 * * * *'}`, '/schedule/cron'],
    [`${HEAD}do: []\nschedule: {cron: '* * * * *', timezone: Nowhere/Land}`, '/schedule/cron'],
    [`${HEAD}do: []\ninput: {schema: {document: {type: nothing}}}`, '/input/schema'],
    [tasks('- a: {human: {title: t, approvals: {any: true}}}'), 'there is no outcome approve'],
    [tasks('- a: {for: {in: .l, concurrency: 2}, while: .b, do: []}'), '/do/0/a/while'],
  ])('%#', (text, why) => {
    expect(fault(text)).toContain(why);
  });

  test('and names the first few problems, not the first alone', () => {
    const text = fault(tasks('- a: {set: {b: 1}, then: x}\n- b: {set: {b: 1}, then: y}'));
    expect(text).toContain('no task x');
    expect(text).toContain('no task y');
  });
});

describe('hostile text is refused in bounded time', () => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'.split('').map((name, i) => {
      const before = 'abcdefghi'[i];
      return `${name}: &${name} [${`*${before}, `.repeat(10)}]`;
    }),
  ].join('\n');
  let deep = '1';
  for (let i = 0; i < 10_000; i++) deep = `[${deep}]`;

  test.each([
    ['aliases of aliases', bomb, ''],
    ['levels', deep, ''],
    [
      'levels of a value',
      JSON.stringify({ document: 1, do: [] }).replace('1', `${'['.repeat(300)}${']'.repeat(300)}`),
      'levels',
    ],
    ['bytes', `${HEAD}do: []\n# ${'x'.repeat(DEFAULT_LIMITS.workflowDocumentBytesMax)}`, 'bytes'],
    ['keys that are there twice', `${HEAD}do: []\ndo: []`, 'unique'],
    ['what is no YAML', 'a: [', ''],
    [
      'tasks',
      tasks(Array.from({ length: 5_001 }, (_, i) => `- t${i}: {set: {a: 1}}`).join('\n')),
      'at most 5000 tasks',
    ],
    ['tags', `${HEAD}do: !!js/function 'function () { return 1; }'`, ''],
  ])('%s', (_name, text, why) => {
    const said = fault(text);
    expect(said).not.toBe('none');
    expect(said).toContain(why);
  });
});
