/**
 * The JSON of an access record, written by hand since it is written for every request. Members that say nothing are left
 * out. Whatever a caller chose is escaped and cut, so that a record is always JSON and never long. Pure.
 *
 *   {"at":1764034123456,"route":"orders","path":"/orders/{id}","method":"GET","host":"api.example.com","status":200,
 *    "ms":3.2,"upstream_ms":2.9,"bytes_in":0,"bytes_out":512,"upstream":"main","target":"http://10.0.0.7:80","attempts":1,
 *    "client":"shop","address":"192.0.2.0/24","trace":"…","code":"…","share":0.1,"notes":{…},"query":"…","headers":{…}}
 */
import type { GatewayRequest, Outcome } from '../policy.ts';
import type { AccessLog } from './access-log.ts';

const TEXT_MAX = 1_024;
const NOTES_MAX = 4_096;
/** No quote, no backslash, no control character, nothing beyond ASCII. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A request as far as it is known; one that no route took has hardly more than its method. */
export type RecordedRequest = Pick<GatewayRequest, 'method' | 'host' | 'path' | 'query' | 'client' | 'header'> & {
  /** Undefined where policies noted nothing. */
  readonly noted: ReadonlyMap<string, string | number> | undefined;
};

export interface RecordFacts {
  /** Of the caller, as it is to be recorded; empty: not at all. */
  readonly address: string;
  /** Of the trace the request belongs to; empty: of none. */
  readonly trace: string;
  /** JSON of the bodies, as members with a comma before each. */
  readonly bodies: string;
}

export function recordText(
  log: AccessLog,
  request: RecordedRequest,
  outcome: Outcome,
  { address, trace, bodies }: RecordFacts,
): string {
  let text = `{"at":${Math.round(outcome.beganAt)},${log.constant}`;
  if (log.template === undefined) text += `"path":${quoted(request.path)},`;
  text += `"method":${quoted(request.method)},"host":${quoted(request.host)},"status":${outcome.status}`;
  text += `,"ms":${hundredths(outcome.elapsedMs)}`;
  if (outcome.upstreamMs !== undefined) text += `,"upstream_ms":${hundredths(outcome.upstreamMs)}`;
  text += `,"bytes_in":${outcome.requestBytes},"bytes_out":${outcome.answerBytes}`;
  if (outcome.upstream !== undefined) text += `,"upstream":${quoted(outcome.upstream)}`;
  if (outcome.target !== undefined) text += `,"target":${quoted(outcome.target)},"attempts":${outcome.attempts}`;
  if (request.client !== undefined) text += `,"client":${quoted(request.client.name)}`;
  if (address !== '') text += `,"address":"${address}"`;
  if (trace !== '') text += `,"trace":"${trace}"`;
  if (outcome.code !== undefined) text += `,"code":"${outcome.code}"`;
  if (log.percent < 100 && outcome.status < 500) text += `,"share":${log.percent / 100}`;
  if (request.noted !== undefined && request.noted.size > 0) text += notesText(request.noted);
  if (log.query && request.query !== '') text += `,"query":${quoted(request.query)}`;
  if (log.headers.length > 0) text += headersText(log.headers, request);
  return `${text}${bodies}}`;
}

/** What stands in the place of records that could not be kept. */
export function lostText(at: number, lost: number): string {
  return `{"at":${at},"lost":${lost}}`;
}

function quoted(text: string): string {
  const short = text.length > TEXT_MAX ? text.slice(0, TEXT_MAX) : text;
  return PLAIN.test(short) ? `"${short}"` : JSON.stringify(short);
}

/** Milliseconds to a hundredth. */
function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function notesText(notes: ReadonlyMap<string, string | number>): string {
  const text = JSON.stringify(Object.fromEntries(notes));
  return text.length > NOTES_MAX ? ',"notes":{"omitted":"too long"}' : `,"notes":${text}`;
}

function headersText(names: readonly string[], request: RecordedRequest): string {
  const members: string[] = [];
  for (const name of names) {
    const value = request.header(name);
    if (value !== undefined) members.push(`${JSON.stringify(name)}:${quoted(value)}`);
  }
  return `,"headers":{${members.join(',')}}`;
}
