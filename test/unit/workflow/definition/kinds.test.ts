/** Which kind a task is. */
import { describe, expect, test } from 'vitest';
import { TASK_KINDS, taskKind, type WorkflowDocument } from '#workflow';

describe('the kind of a task', () => {
  test('is the key that only this kind has', () => {
    for (const kind of TASK_KINDS) expect(taskKind({ if: '.a', [kind]: {}, then: 'end' })).toBe(kind);
  });

  test('is not a list of tasks that stands beside it', () => {
    expect(taskKind({ for: { in: '.a' }, do: [] })).toBe('for');
    expect(taskKind({ do: [] })).toBe('do');
  });

  test('is told for every task of a document', () => {
    const document: WorkflowDocument = {
      document: { dsl: '1.0.3', namespace: 'test', name: 'kinds', version: '1.0.0' },
      do: [{ pause: { wait: { seconds: 1 }, then: 'ask' } }, { ask: { human: { title: 'May it?' }, undo: [] } }],
    };
    const tasks = document.do.flatMap((named) => Object.values(named));
    expect(tasks.map(taskKind)).toEqual(['wait', 'human']);
  });

  test('is unknown for a key that only the prototype has, or none', () => {
    expect(taskKind({ toString: {} })).toBeUndefined();
    expect(taskKind(Object.create({ set: {} }))).toBeUndefined();
  });
});
