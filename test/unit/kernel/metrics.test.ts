/** Metrics: what a scraper reads. */

import { describe, expect, test } from 'vitest';
import { Metrics } from '#kernel';

const lines = (metrics: Metrics) => metrics.render().trimEnd().split('\n');

describe('the metrics page', () => {
  test('is empty but for its line end when nothing is registered', () => {
    expect(new Metrics().render()).toBe('\n');
  });

  test('gives each family one head, and each label set of it one line', () => {
    const metrics = new Metrics();
    metrics.counter('sluice_appends_total', 'Appends.', { durability: 'fsync' }).add();
    metrics.counter('sluice_appends_total', 'Appends.', { durability: 'memory' }).add(41);
    expect(lines(metrics)).toEqual([
      '# HELP sluice_appends_total Appends.',
      '# TYPE sluice_appends_total counter',
      'sluice_appends_total{durability="fsync"} 1',
      'sluice_appends_total{durability="memory"} 41',
    ]);
  });

  test('counts on the same handle for the same labels', () => {
    const metrics = new Metrics();
    metrics.counter('a', 'A.', { x: '1' }).add(2);
    metrics.counter('a', 'A.', { x: '1' }).add(3);
    expect(lines(metrics).at(-1)).toBe('a{x="1"} 5');
  });

  test('escapes what a label may hold', () => {
    const metrics = new Metrics();
    metrics.counter('a', 'A.', { topic: 'q"b\\s\nn' }).add();
    expect(lines(metrics).at(-1)).toBe(String.raw`a{topic="q\"b\\s\nn"} 1`);
  });

  test('reads a gauge when it is rendered, as one number or one for each label set', () => {
    const metrics = new Metrics();
    let depth = 1;
    metrics.gauge('depth', 'Depth.', () => depth);
    metrics.gauge('tail', 'Tail.', () => [[{ partition: '0' }, 7] as const, [{ partition: '1' }, 9] as const]);
    depth = 2;
    expect(lines(metrics).filter((line) => !line.startsWith('#'))).toEqual([
      'depth 2',
      'tail{partition="0"} 7',
      'tail{partition="1"} 9',
    ]);
  });
});

describe('a histogram', () => {
  test('counts an observation in its bucket and all wider ones, a bound within its own', () => {
    const metrics = new Metrics();
    const histogram = metrics.histogram('wait_seconds', 'Wait.', [0.1, 1], { verb: 'produce' });
    for (const seconds of [0.05, 0.1, 0.5, 8]) histogram.observe(seconds);
    expect(lines(metrics).slice(1)).toEqual([
      '# TYPE wait_seconds histogram',
      'wait_seconds_bucket{verb="produce",le="0.1"} 2',
      'wait_seconds_bucket{verb="produce",le="1"} 3',
      'wait_seconds_bucket{verb="produce",le="+Inf"} 4',
      'wait_seconds_sum{verb="produce"} 8.65',
      'wait_seconds_count{verb="produce"} 4',
    ]);
  });

  test('needs no labels', () => {
    const metrics = new Metrics();
    metrics.histogram('wait', 'Wait.', [1]).observe(2);
    expect(lines(metrics).slice(2)).toEqual([
      'wait_bucket{le="1"} 0',
      'wait_bucket{le="+Inf"} 1',
      'wait_sum 2',
      'wait_count 1',
    ]);
  });
});
