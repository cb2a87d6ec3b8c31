/** What this layer asks of a server: to serve these paths. The composition root hands them over. */

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
  readonly tag: string;
  readonly summary: string;
  /** Who may: everybody, since the path asks for credentials of its own or needs none; or administrators. */
  readonly access: 'open' | 'admin';
  /** What the body is, for the documentation; the path itself looks at the media type. */
  readonly reads?: { readonly type: string; readonly bytesMax: number };
  readonly answers: Readonly<Record<number, { readonly description: string; readonly type: string }>>;
  handle(request: MountRequest): MountAnswer | Promise<MountAnswer>;
}
