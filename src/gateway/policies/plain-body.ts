/**
 * Bodies in the clear for policies that look into them. A body that comes compressed (`gzip`, `deflate`, `br`) is inflated
 * beside, up to the bound of whoever looks; what the upstream gets stays as it came. A coding that is not known, or several,
 * is refused with 415, for nobody could look into it; one that inflates beyond the bound is refused with 413.
 *
 * A step of this goes before the steps that look; they ask `plainBody`.
 */
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { SluiceError } from '#kernel';
import type { BodyStep, GatewayRequest, Policy, Verdict, WhenLonger } from '../policy.ts';
import { fieldOf } from './fields.ts';

type Inflate = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const CODINGS: ReadonlyMap<string, Inflate> = new Map([
  ['gzip', promisify(gunzip) as Inflate],
  ['x-gzip', promisify(gunzip) as Inflate],
  ['deflate', promisify(inflate) as Inflate],
  ['br', promisify(brotliDecompress) as Inflate],
]);
const NOTHING = Buffer.alloc(0);

const inflated = new WeakMap<GatewayRequest, Buffer>();

/** The body as it was meant. */
export function plainBody(request: GatewayRequest): Buffer {
  return inflated.get(request) ?? request.body ?? NOTHING;
}

export class PlainBody implements Policy {
  readonly name = 'plain-body';
  readonly body: BodyStep;

  constructor(bytesMax: number, whenLonger: WhenLonger) {
    this.body = { bytesMax, whenLonger, check: (request) => check(request, bytesMax, whenLonger) };
  }
}

function check(request: GatewayRequest, bytesMax: number, whenLonger: WhenLonger): Verdict | Promise<Verdict> {
  const coding = fieldOf(request, 'content-encoding')?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return undefined;
  const decode = CODINGS.get(coding);
  if (decode !== undefined) return decodeBody(request, decode, bytesMax, whenLonger);
  request.answerHeaders.push('accept-encoding', 'gzip, deflate, br, identity');
  return new SluiceError('MEDIA_TYPE_UNSUPPORTED', 'a body of this content-encoding is not read here');
}

async function decodeBody(
  request: GatewayRequest,
  decode: Inflate,
  bytesMax: number,
  whenLonger: WhenLonger,
): Promise<Verdict> {
  try {
    inflated.set(request, await decode(request.body ?? NOTHING, { maxOutputLength: bytesMax }));
    return undefined;
  } catch (error) {
    const tooLarge = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
    if (tooLarge && whenLonger === 'pass') {
      inflated.set(request, NOTHING);
      return undefined;
    }
    if (tooLarge) return new SluiceError('REQUEST_TOO_LARGE', `the body inflates to more than ${bytesMax} bytes`);
    return new SluiceError('REQUEST_MALFORMED', 'the body is not what its content-encoding says', {}, error);
  }
}
