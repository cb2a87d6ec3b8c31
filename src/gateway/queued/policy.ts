/**
 * The policy of a queued route, the last of them: an unsafe request that all others let on is handed to the main thread,
 * which has the log, and answered with 202 once it is on the disk. What became of it is asked for at `STATUS_PATH`, under
 * the same policies. Runs on listener threads.
 */
import { SluiceError } from '#kernel';
import { callerOf } from '../caller.ts';
import type { ThreadLink } from '../link.ts';
import type { BodyStep, GatewayRequest, Policy, WholeAnswer } from '../policy.ts';
import { chooseUpstream } from '../proxy/choice.ts';
import type { NamedRoute } from '../table.ts';
import { encodeQueued, isId, keyReader, newId } from './queued-request.ts';
import type { QueueSpec } from './schema.ts';

const STATUS_PATH = '/.sluice/queued/';
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const NO_BYTES = Buffer.alloc(0);

/** The route whose queue a path asks about; undefined for all other paths. */
export function routeOfStatus(path: string): string | undefined {
  if (!path.startsWith(STATUS_PATH)) return undefined;
  return path.slice(STATUS_PATH.length).split('/')[0];
}

export class QueuedPolicy implements Policy {
  readonly name = 'queue';
  readonly body: BodyStep;
  readonly #route: NamedRoute;
  readonly #link: ThreadLink;
  readonly #now: () => number;
  readonly #keyOf: (request: GatewayRequest) => string | undefined;

  constructor(route: NamedRoute, queue: QueueSpec, link: ThreadLink, now: () => number) {
    this.#route = route;
    this.#link = link;
    this.#now = now;
    this.#keyOf = keyReader(queue, route.spec.path);
    this.body = {
      bytesMax: queue.body_bytes_max,
      whenLonger: 'refuse',
      always: true,
      check: (request) => this.#check(request),
    };
  }

  #check(request: GatewayRequest): Promise<WholeAnswer | SluiceError> | undefined {
    if (request.path.startsWith(STATUS_PATH)) return this.#status(request);
    return SAFE.has(request.method) ? undefined : this.#take(request);
  }

  async #take(request: GatewayRequest): Promise<WholeAnswer> {
    const { name, spec } = this.#route;
    const id = newId(this.#now());
    const queued = {
      id,
      method: request.method,
      target: request.target(),
      host: request.header('host') ?? '',
      canary: chooseUpstream(request) !== spec.upstream,
      headers: request.forwarded(),
    };
    const batch = encodeQueued(queued, this.#keyOf(request), request.body ?? NO_BYTES);
    await this.#link.ask('enqueue', { route: name, id, client: callerOf(request), batch });
    const location = `${STATUS_PATH}${name}/${id}`;
    return jsonAnswer(202, { id, status: location }, ['location', location]);
  }

  async #status(request: GatewayRequest): Promise<WholeAnswer | SluiceError> {
    const [route = '', id = '', ...more] = request.path.slice(STATUS_PATH.length).split('/');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new SluiceError('METHOD_NOT_ALLOWED', 'what became of a request is asked for with GET', {
        allow: 'GET, HEAD',
      });
    }
    const client = callerOf(request);
    const found =
      more.length === 0 && isId(id) ? await this.#link.ask('queuedStatus', { route, id, client }) : undefined;
    if (found === undefined) return new SluiceError('QUEUED_UNKNOWN', `there is no queued request ${id}`);
    return jsonAnswer(200, found, []);
  }
}

function jsonAnswer(status: number, value: unknown, headers: readonly string[]): WholeAnswer {
  const all = ['content-type', 'application/json', 'cache-control', 'no-store', ...headers];
  return { status, headers: all, body: Buffer.from(JSON.stringify(value)) };
}
