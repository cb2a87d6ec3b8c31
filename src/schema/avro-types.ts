/** What of avsc's types the check of values and the comparison of schemas look at, with the kinds by name. */
import type avro from 'avsc';

export interface AvroField {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly type: AvroType;
  defaultValue(): unknown;
}

interface Named {
  /** With its namespace. */
  readonly name: string;
  readonly aliases: readonly string[];
}

export type AvroType =
  | {
      readonly typeName: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';
      readonly branchName: string;
    }
  | ({
      readonly typeName: 'record' | 'error';
      readonly fields: readonly AvroField[];
      readonly branchName: string;
    } & Named)
  | ({
      readonly typeName: 'enum';
      readonly symbols: readonly string[];
      readonly default: string | undefined;
      readonly branchName: string;
    } & Named)
  | ({ readonly typeName: 'fixed'; readonly size: number; readonly branchName: string } & Named)
  | { readonly typeName: 'array'; readonly itemsType: AvroType; readonly branchName: string }
  | { readonly typeName: 'map'; readonly valuesType: AvroType; readonly branchName: string }
  | { readonly typeName: 'union:wrapped'; readonly types: readonly AvroType[]; readonly branchName: undefined };

export function typeOf(type: avro.Type): AvroType {
  return type as unknown as AvroType;
}
