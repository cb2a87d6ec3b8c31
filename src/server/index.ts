/** The server: HTTP, WebSocket and event streams in front of a log. The only room that imports uWebSockets.js. */
export type { ListenOptions } from './listen.ts';
export { type Server, type ServerOptions, startServer } from './server.ts';
