/**
 * Takes parts out of a JSON text, or puts others in their place, and leaves the rest as it was written: numbers keep all
 * their digits, which a parser's would not. Places are JSON pointers in which `*` stands for every member or item. Called
 * by the policy `response_fields`, with texts that a parser has found to be JSON.
 */

/** A step of all the paths of one kind. */
export interface PathNode {
  readonly children: Map<string, PathNode>;
  any: PathNode | undefined;
  /** A path ends here. */
  ends: boolean;
  /** What is there instead, from what was; undefined takes it out. */
  instead: ((text: string) => string | undefined) | undefined;
}

export function pathNode(): PathNode {
  return { children: new Map(), any: undefined, ends: false, instead: undefined };
}

/** The node at which a path ends, made where there was none. */
export function endOf(root: PathNode, pointer: string): PathNode {
  let node = root;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replace(/~1/g, '/').replace(/~0/g, '~');
    if (part === '*') {
      node.any ??= pathNode();
      node = node.any;
    } else {
      const next = node.children.get(name) ?? pathNode();
      node.children.set(name, next);
      node = next;
    }
  }
  node.ends = true;
  return node;
}

const DEPTH_MAX = 500;

/**
 * @param allow undefined: everything
 * @throws RangeError on a text nested more deeply than is followed
 */
export function rewriteJson(text: string, allow: PathNode | undefined, change: PathNode | undefined): string {
  const writer = new Rewriter(text);
  return writer.value(allow === undefined ? undefined : [allow], change === undefined ? [] : [change], 0) ?? 'null';
}

type Nodes = readonly PathNode[];

class Rewriter {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The value that begins here as it is left, undefined where nothing of it is. Ends behind it. */
  value(allow: Nodes | undefined, change: Nodes, depth: number): string | undefined {
    this.#space();
    const from = this.#at;
    const ending = change.find((node) => node.ends);
    if (ending !== undefined) return ending.instead?.(this.#skip(from));
    const whole = allow?.some((node) => node.ends) === false ? allow : undefined;
    if (whole === undefined && change.length === 0) return this.#skip(from);
    const first = this.#text[from];
    if (whole?.length === 0 || (first !== '{' && first !== '[')) {
      const text = this.#skip(from);
      return whole === undefined ? text : undefined;
    }
    if (depth > DEPTH_MAX) throw new RangeError('nested too deeply');
    return first === '{' ? this.#object(whole, change, depth + 1) : this.#array(whole, change, depth + 1);
  }

  #object(allow: Nodes | undefined, change: Nodes, depth: number): string {
    const kept: string[] = [];
    this.#at++;
    for (this.#space(); this.#text[this.#at] !== '}'; this.#separator()) {
      const from = this.#at;
      this.#string();
      const key = this.#text.slice(from, this.#at);
      this.#space();
      this.#at++;
      const name = JSON.parse(key) as string;
      const value = this.value(allow === undefined ? undefined : below(allow, name), below(change, name), depth);
      if (value !== undefined) kept.push(`${key}:${value}`);
    }
    this.#at++;
    return `{${kept.join(',')}}`;
  }

  #array(allow: Nodes | undefined, change: Nodes, depth: number): string {
    const kept: string[] = [];
    this.#at++;
    this.#space();
    for (let i = 0; this.#text[this.#at] !== ']'; i++, this.#separator()) {
      const name = String(i);
      const value = this.value(allow === undefined ? undefined : below(allow, name), below(change, name), depth);
      if (value !== undefined) kept.push(value);
    }
    this.#at++;
    return `[${kept.join(',')}]`;
  }

  #separator(): void {
    this.#space();
    if (this.#text[this.#at] === ',') this.#at++;
    this.#space();
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #string(): void {
    const text = this.#text;
    for (this.#at++; text[this.#at] !== '"'; this.#at++) if (text[this.#at] === '\\') this.#at++;
    this.#at++;
  }

  /** Goes behind the value, however deep it is, and gives its text. */
  #skip(from: number): string {
    const text = this.#text;
    let open = 0;
    do {
      const char = text[this.#at] as string;
      if (char === '"') this.#string();
      else if (char === '{' || char === '[') {
        open++;
        this.#at++;
      } else if (char === '}' || char === ']') {
        open--;
        this.#at++;
      } else if (/[,: \t\r\n]/.test(char)) this.#at++;
      else while (this.#at < text.length && !/[,\]}: \t\r\n]/.test(text[this.#at] as string)) this.#at++;
    } while (open > 0);
    return text.slice(from, this.#at);
  }
}

function below(nodes: Nodes, name: string): Nodes {
  const found: PathNode[] = [];
  for (const { children, any } of nodes) {
    const child = children.get(name);
    if (child !== undefined) found.push(child);
    if (any !== undefined) found.push(any);
  }
  return found;
}
