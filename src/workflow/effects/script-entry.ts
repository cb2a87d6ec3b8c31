/**
 * The thread of one script. The context it runs in is made of what the language itself has, by code that runs inside it, so
 * nothing of this thread can be reached from there. Started by `script.ts`.
 */
import { createContext, runInContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';

interface Setup {
  readonly code: string;
  readonly given: string;
  readonly environment: string;
  readonly stdin: string;
  readonly outputBytesMax: number;
}

const { code, given, environment, stdin, outputBytesMax } = workerData as Setup;

const context = createContext(Object.create(null) as object, { codeGeneration: { strings: false, wasm: false } });

/** Inside: prints into lists, and gives back one JSON text. */
const PRELUDE = `(given, environment, stdin, max) => {
  const lines = { out: [], err: [] };
  let chars = 0;
  const print = (to) => (...values) => {
    const line = values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' ') + '\\n';
    chars += line.length;
    if (chars > max) throw new Error('the script prints more than ' + max + ' characters');
    lines[to].push(line);
  };
  globalThis.console = { log: print('out'), info: print('out'), error: print('err'), warn: print('err') };
  const parsed = JSON.parse(given);
  const named = Array.isArray(parsed) ? {} : parsed;
  return {
    names: JSON.stringify(Object.keys(named)),
    call: async (body) => {
      try {
        const values = Object.values(named);
        const result = await body(...values, Array.isArray(parsed) ? parsed : values, JSON.parse(environment), stdin);
        const value = result === undefined ? undefined : JSON.stringify(result);
        return JSON.stringify({ code: 0, stdout: lines.out.join(''), stderr: lines.err.join(''), value });
      } catch (error) {
        return JSON.stringify({ error: String(error && error.message || error) });
      }
    },
  };
}`;

type Prelude = (given: string, environment: string, stdin: string, max: number) => Inside;
interface Inside {
  readonly names: string;
  call(body: unknown): Promise<string>;
}

const inside = (runInContext(PRELUDE, context) as Prelude)(given, environment, stdin, outputBytesMax);
const names = (JSON.parse(inside.names) as string[]).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name));
const parameters = [...names, 'argv', 'env', 'stdin'].join(', ');

try {
  const body: unknown = runInContext(`(async (${parameters}) => {\n${code}\n})`, context, { filename: 'script.js' });
  void inside.call(body).then((text) => parentPort?.postMessage(JSON.parse(text)));
} catch (error) {
  parentPort?.postMessage({ error: (error as Error).message });
}
