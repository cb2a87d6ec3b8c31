/** What the client needs of a WebSocket: one message at a time out, bytes in, and an end. */

export interface SocketEvents {
  opened(): void;
  received(frame: Uint8Array): void;
  /** Once, whatever ended it; `reason` for people. */
  ended(reason: string): void;
}

export interface Socket {
  send(frame: Uint8Array): void;
  /** Bytes handed over and not yet in the network. */
  readonly bufferedBytes: number;
  close(): void;
}
