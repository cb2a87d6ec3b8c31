/**
 * Bodies in access records, where a route wants them: gathered by a policy that stands before those that look into bodies,
 * so that it has the request as the caller sent it and the answer as the caller gets it. Values that are to be left out are
 * left out here, before anything is written.
 */
import type { AnswerStep, BodyStep, GatewayRequest, Policy, WholeAnswer } from '../policy.ts';
import type { AccessLogSpec } from './access-log.ts';

type BodiesSpec = NonNullable<AccessLogSpec['bodies']>;

interface Captured {
  request?: string;
  answer?: string;
}

const JSON_TYPE = /^application\/([a-z0-9.!#$&^_+-]+\+)?json\b/i;
const OMITTED = '[redacted]';
/** What JSON writes anew can be several times as long. */
const TEXT_MAX = 128 * 1024;

const captured = new WeakMap<object, Captured>();

/** Members of a record with a comma before each; empty where nothing was gathered. */
export function bodiesText(request: object): string {
  const bodies = captured.get(request);
  if (bodies === undefined) return '';
  const first = bodies.request === undefined ? '' : `,"request_body":${bodies.request}`;
  return bodies.answer === undefined ? first : `${first},"answer_body":${bodies.answer}`;
}

export class BodiesPolicy implements Policy {
  readonly name = 'access-bodies';
  readonly body?: BodyStep;
  readonly answer?: AnswerStep;
  readonly #redact: ReadonlySet<string>;

  constructor({ request_bytes_max, answer_bytes_max, redact }: BodiesSpec) {
    this.#redact = new Set(redact.map((name) => name.toLowerCase()));
    if (request_bytes_max > 0) {
      this.body = { bytesMax: request_bytes_max, whenLonger: 'pass', check: (request) => this.#request(request) };
    }
    if (answer_bytes_max > 0) {
      this.answer = {
        bytesMax: answer_bytes_max,
        whenLonger: 'pass',
        edit: (request, answer) => this.#answer(request, answer),
      };
    }
  }

  #request(request: GatewayRequest): undefined {
    const { body } = request;
    if (body === undefined || body.length === 0) return;
    this.#keep(request, { request: this.#text(body, request.header('content-type')) });
  }

  #answer(request: GatewayRequest, answer: WholeAnswer): WholeAnswer {
    if (answer.body.length > 0) {
      const at = answer.headers.findIndex((piece, i) => i % 2 === 0 && piece === 'content-type');
      const type = at === -1 ? undefined : String(answer.headers[at + 1]);
      this.#keep(request, { answer: this.#text(answer.body, type) });
    }
    return answer;
  }

  #keep(request: GatewayRequest, bodies: Captured): void {
    captured.set(request, { ...captured.get(request), ...bodies });
  }

  /** As JSON: the document without what is left out; of anything else the bytes, unless something is to be left out. */
  #text(body: Buffer, type: string | undefined): string {
    if (type !== undefined && JSON_TYPE.test(type)) {
      try {
        const text = JSON.stringify(JSON.parse(body.toString()), (name, value: unknown) =>
          this.#redact.has(name.toLowerCase()) ? OMITTED : value,
        );
        return text.length > TEXT_MAX ? '{"omitted":"too long"}' : text;
      } catch {
        // Not the JSON it says it is: what is to be left out of it cannot be found.
      }
    }
    if (this.#redact.size > 0) return '{"omitted":"not JSON"}';
    return `{"base64":"${body.toString('base64')}"}`;
  }
}
