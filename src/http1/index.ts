/** What several layers know of HTTP/1.1: pure checks and tables, and the paths one layer asks another to serve. No sockets. */
import './head-size.ts';

export { answerStatus, checkHeaderValue, endHeadOnly } from './answer-head.ts';
export { bodyLength, CHUNKED, NO_BODY } from './framing.ts';
export type { Mount, MountAnswer, MountRequest } from './mount.ts';
