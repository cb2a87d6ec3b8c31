/** What the thread of the libraries is asked, and what it answers. */

export interface LibraryRequest {
  readonly id: number;
  readonly language: 'jq' | 'jsonata';
  readonly text: string;
  readonly input: unknown;
  readonly variables: Readonly<Record<string, unknown>>;
  /** Bounds of JSONata: what one may take, how deep it may go, how long a list it may make. */
  readonly ms: number;
  readonly depthMax: number;
  readonly itemsMax: number;
}

export type LibraryAnswer =
  | { readonly id: number; readonly value: unknown; readonly error?: undefined }
  | { readonly id: number; readonly error: string };

export interface LibrarySetup {
  /** One number: 1 when the thread is ready, then the id of the answer that is there. */
  readonly signal: SharedArrayBuffer;
}
