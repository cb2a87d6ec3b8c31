/** How much of the machine's cores the server and this process, which makes the load, used while something ran. */
import { fixed } from './report.ts';
import type { ServerProcess } from './server-process.ts';

export interface Cores {
  readonly server: number;
  readonly load: number;
}

/** Starts to count; the result tells the cores used since. */
export function countCores(server: ServerProcess): () => Cores {
  const serverBefore = server.cpuSeconds();
  const loadBefore = process.cpuUsage();
  const startedAt = performance.now();
  return () => {
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage(loadBefore);
    return { server: (server.cpuSeconds() - serverBefore) / seconds, load: (user + system) / 1e6 / seconds };
  };
}

export function coresText(cores: readonly Cores[]): string {
  const mean = (part: 'server' | 'load') => cores.reduce((sum, one) => sum + one[part], 0) / cores.length;
  return `server ${fixed(mean('server'))}, load ${fixed(mean('load'))} of the machine's cores`;
}
