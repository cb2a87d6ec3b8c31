/** What a topic may be called and how it may be set up. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '#kernel';
import { checkTopicName, DEFAULT_TOPIC_CONFIG, resolveTopicConfig, type TopicConfig } from '#log';

const invalid = expect.objectContaining({ code: 'TOPIC_INVALID' });

describe('a topic name', () => {
  it.each(['a', 'flights', 'sys.resources', 'A-z_0.9', '...', 'x'.repeat(249)])('may be %j', (name) => {
    expect(() => checkTopicName(name)).not.toThrow();
  });

  it.each(['', '.', '..', 'a/b', 'a b', 'é', 'x\n', 'x'.repeat(250), 'a\u0000'])('may not be %j', (name) => {
    expect(() => checkTopicName(name)).toThrow(invalid);
  });
});

describe('topic settings', () => {
  const resolve = (changes: Partial<TopicConfig>, current?: TopicConfig) =>
    resolveTopicConfig(changes, DEFAULT_LIMITS, current);

  it('are the defaults with the changes over them', () => {
    expect(resolve({})).toEqual(DEFAULT_TOPIC_CONFIG);
    expect(resolve({ partitions: 4, retentionMs: 1_000 })).toEqual({
      ...DEFAULT_TOPIC_CONFIG,
      partitions: 4,
      retentionMs: 1_000,
    });
  });

  it('keep what is there where nothing is said', () => {
    const current = resolve({ partitions: 3, cleanup: 'compact', retentionBytes: 5 });
    expect(resolve({ tombstoneMs: 0 }, current)).toEqual({ ...current, tombstoneMs: 0 });
  });

  it('let the partitions grow, not shrink', () => {
    const current = resolve({ partitions: 3 });
    expect(resolve({ partitions: 5 }, current).partitions).toBe(5);
    expect(() => resolve({ partitions: 2 }, current)).toThrow(invalid);
  });

  it.each<Partial<TopicConfig>>([
    { partitions: 0 },
    { partitions: 1.5 },
    { partitions: DEFAULT_LIMITS.partitionsPerTopicMax + 1 },
    { cleanup: 'other' as 'delete' },
    { retentionMs: -1 },
    { retentionBytes: Number.NaN },
    { retentionBytes: '5' as unknown as number },
    { tombstoneMs: -1 },
    { tombstoneMs: null as unknown as number },
  ])('may not be %j', (changes) => {
    expect(() => resolve(changes)).toThrow(invalid);
  });
});
