/** The order of work at one path: appends together, the rest alone, nothing beside each other. */
import { expect, test } from 'vitest';
import type { AppendRequest } from '../../../../src/server/stream/append-draft.ts';
import { Lane, type PendingAppend } from '../../../../src/server/stream/lane.ts';

function request(text: string, bytes = text.length): AppendRequest {
  const body = Buffer.alloc(bytes, text);
  return { contentType: 'text/plain', body, close: false, sequence: undefined, producer: undefined };
}

/** A lane that notes what it is given, and answers each append with how many came with it. */
function notingLane() {
  const notes: string[] = [];
  let running = 0;
  const once = async (note: string) => {
    expect(running++).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
    notes.push(note);
    running--;
  };
  const commit = async (appends: readonly PendingAppend[]) => {
    await once(appends.map((append) => String.fromCharCode(append.request.body[0] as number)).join(''));
    for (const { resolve } of appends) {
      resolve({ duplicate: false, next: appends.length, closed: false, producer: undefined });
    }
  };
  const lane = new Lane(commit, () => notes.push('idle'));
  return { lane, notes, alone: (note: string) => lane.alone(() => once(note)) };
}

test('appends that wait together leave together, and nothing overtakes', async () => {
  const { lane, notes, alone } = notingLane();
  const work = [
    lane.append(request('a')),
    lane.append(request('b')),
    alone('1'),
    alone('2'),
    lane.append(request('c')),
  ];
  const answers = await Promise.all(work);
  expect(notes).toEqual(['ab', '1', '2', 'c', 'idle']);
  expect(answers[0]).toMatchObject({ next: 2 });
});

test('what is too much for one commit makes several', async () => {
  const { lane, notes } = notingLane();
  const large = 3 * 1024 * 1024;
  await Promise.all([
    ...['a', 'b'].map((text) => lane.append(request(text, large))),
    lane.append(request('c')),
    lane.append(request('d', 8 * 1024 * 1024)),
  ]);
  expect(notes).toEqual(['a', 'bc', 'd', 'idle']);
});

test('work that fails, at once or later, does not stop what comes after it', async () => {
  const { lane, notes, alone } = notingLane();
  const atOnce = lane.alone(() => {
    throw new Error('at once');
  });
  const later = lane.alone(() => Promise.reject(new Error('later')));
  await Promise.all([
    expect(atOnce).rejects.toThrow('at once'),
    expect(later).rejects.toThrow('later'),
    alone('after'),
  ]);
  expect(notes).toEqual(['after', 'idle']);
});
