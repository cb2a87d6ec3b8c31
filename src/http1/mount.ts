/**
 * Paths that a layer asks a server to serve, as plain data and a function of the whole request. The composition root hands
 * them over; what makes routes of them is the server's matter.
 */

export interface MountRequest {
  /** Without the question mark. */
  readonly query: string;
  /** Whole. */
  readonly body: Uint8Array;
  readonly remoteAddress: string;
  /** The first header of a name in lower case. */
  header(name: string): string | undefined;
}

export interface MountAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly contentType: string;
  readonly body: string;
}

export interface Mount {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Groups paths in the documentation. */
  readonly tag: string;
  readonly summary: string;
  /** Who may: everybody, since the path asks for credentials of its own or needs none; or administrators. */
  readonly access: 'open' | 'admin';
  /** The media type is for the documentation: whoever serves the path looks at it. */
  readonly reads?: { readonly type: string; readonly bytesMax: number };
  /** By status. */
  readonly answers: Readonly<Record<number, { readonly description: string; readonly type: string }>>;
  /** What it throws is answered as a problem. */
  handle(request: MountRequest): MountAnswer | Promise<MountAnswer>;
}
