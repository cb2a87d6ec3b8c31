/**
 * Commands that instances owe each other: a start, the end of a child. They are stored in the commit of the step that owes
 * them and forgotten in the commit that has handled them, so each is handled exactly once. Oldest first.
 */
import type { StateBlockBuilder } from '#log';
import { asciiOf } from './ascii.ts';
import type { Command } from './commands.ts';

const NO_PREFIX = new Uint8Array(0);
const SEQUENCE_CHARS = 12;

export class Outbox {
  readonly #owed = new Map<string, Command>();
  #stored = new Set<string>();
  #added: string[] = [];
  #removed: string[] = [];
  #next = 0;

  get size(): number {
    return this.#owed.size;
  }

  load(name: string, text: string): void {
    this.#owed.set(name, JSON.parse(text) as Command);
    this.#stored.add(name);
    this.#next = Math.max(this.#next, Number.parseInt(name, 36) + 1);
  }

  add(command: Command): void {
    const name = (this.#next++).toString(36).padStart(SEQUENCE_CHARS, '0');
    this.#owed.set(name, command);
    this.#added.push(name);
  }

  take(): Command | undefined {
    for (const [name, command] of this.#owed) {
      this.#owed.delete(name);
      if (this.#stored.delete(name)) this.#removed.push(name);
      return command;
    }
    return undefined;
  }

  write(block: StateBlockBuilder): void {
    for (const name of this.#removed) {
      block.key(NO_PREFIX, `o/${name}`);
      block.remove();
    }
    for (const name of this.#added) {
      const command = this.#owed.get(name);
      if (command === undefined) continue;
      const ascii = asciiOf(JSON.stringify(command));
      block.key(NO_PREFIX, `o/${name}`);
      block.latin1(ascii);
      this.#stored.add(name);
    }
    this.#added = [];
    this.#removed = [];
  }
}
