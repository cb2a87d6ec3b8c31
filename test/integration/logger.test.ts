/** The process log as the built program writes it: where it goes, and what it never shows. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

/** Runs `statements` in a Node process that has a logger named `log`; answers its output, the log's lines parsed. */
function logged(statements: string): { lines: Record<string, unknown>[]; stdout: string; stderr: string } {
  const door = new URL('../../dist/src/kernel/index.js', import.meta.url).href;
  const script = `const { createLogger } = await import(${JSON.stringify(door)});\nconst log = createLogger('info');\n${statements}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const lines = stderr.trimEnd().split('\n');
  return { lines: lines.map((line) => JSON.parse(line)), stdout, stderr };
}

describe('the process log', () => {
  test('goes to stderr, one JSON line an event, and leaves stdout to answers', () => {
    const { lines, stdout } = logged("log.info({ topic: 'flights' }, 'created'); log.debug('unseen');");
    expect(stdout).toBe('');
    expect(lines).toEqual([expect.objectContaining({ name: 'sluice', topic: 'flights', msg: 'created' })]);
  });

  test.each(['authorization', 'key', 'secret', 'password', 'x-api-key', 'cookie'])(
    'never shows what is called %s, in the event or inside it',
    (name) => {
      const { lines, stderr } = logged(
        `log.info({ '${name}': 'HIDE' }); log.info({ a: { '${name}': 'HIDE' } }); log.info({ a: { b: { '${name}': 'HIDE' } } });`,
      );
      expect(lines).toHaveLength(3);
      expect(stderr).not.toContain('HIDE');
    },
  );
});
