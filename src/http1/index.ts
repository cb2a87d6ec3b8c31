/** What the server and the gateway both know of HTTP/1.1: pure checks and tables, no sockets. */
import './head-size.ts';

export { answerStatus, checkHeaderValue, endHeadOnly } from './answer-head.ts';
export { bodyLength, CHUNKED, NO_BODY } from './framing.ts';
