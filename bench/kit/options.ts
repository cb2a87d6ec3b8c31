/** Options of a bench from its command line: `--name value`, numbers all, with defaults. */

export function options<T extends Readonly<Record<string, number>>>(defaults: T): T {
  const values: Record<string, number> = { ...defaults };
  const args = process.argv.slice(3);
  for (let i = 0; i < args.length; i += 2) {
    const name = (args[i] ?? '').replace(/^--/, '').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = Number(args[i + 1]);
    if (!(name in defaults) || !Number.isFinite(value)) {
      process.stderr.write(
        `unknown option ${args[i]}; there are: ${Object.entries(defaults)
          .map(([key, n]) => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} (${n})`)
          .join(', ')}\n`,
      );
      process.exit(2);
    }
    values[name] = value;
  }
  return values as T;
}
