/**
 * What Confluent's published table of Protobuf changes says, in schemas of our own: kind of change, the schema before, the
 * schema after, whether the one after reads what the one before wrote.
 */

export interface File {
  readonly text: string;
  readonly imports?: readonly { readonly name: string; readonly text: string }[];
}

export type ProtobufCase = readonly [change: string, before: File, after: File, compatible: boolean];

const file = (body: string, head = 'syntax = "proto3";'): File => ({ text: `${head}\n${body}` });
const two = (body: string) => file(body, 'syntax = "proto2";');
const shop = (body: string) => file(body, 'syntax = "proto3"; package shop;');
const order = (fields: string, more = '') => file(`message Order { ${fields} } ${more}`);
const importing = (body: string, name: string, text: string): File => ({
  text: `syntax = "proto3"; import "${name}"; ${body}`,
  imports: [{ name, text: `syntax = "proto3"; ${text}` }],
});
const size = 'message Size { string label = 1; }';
const device = (number: string) => `package maker; message Device { ${number} no = 1; bool on = 2; }`;
const other = (number: string) => `package other; message Device { ${number} no = 1; bool on = 2; }`;
const inner = (name: string, number: string) => `package ${name}; message Box { message Device { ${number} no = 1; } }`;

export const FIELDS: readonly ProtobufCase[] = [
  ['a field more', order('string a = 1;'), order('string a = 1; string b = 2;'), true],
  [
    'a field more beside a message within',
    shop(`message Order { string a = 1; .shop.Order.Size b = 2; ${size} }`),
    shop(`message Order { string a = 1; .shop.Order.Size b = 2; float c = 3; ${size} }`),
    true,
  ],
  [
    'another package',
    shop('message Order { string a = 1; }'),
    file('message Order { string a = 1; }', 'syntax = "proto3"; package store;'),
    false,
  ],
  ['a name in full', order(`Size a = 1; ${size}`), order(`.Order.Size a = 1; ${size}`), true],
  [
    'a name in full, with the package',
    shop(`message Order { Size a = 1; ${size} }`),
    shop(`message Order { .shop.Order.Size a = 1; ${size} }`),
    true,
  ],
  [
    'a required field more',
    two('message Order { optional string a = 1; }'),
    two('message Order { optional string a = 1; required string b = 2; }'),
    false,
  ],
  [
    'a field more in a message within',
    order('message Line { string a = 1; }'),
    order('message Line { string a = 1; string b = 2; }'),
    true,
  ],
  ['a field less', order('string a = 1; string b = 2;'), order('string a = 1;'), true],
  [
    'a required field less',
    two('message Order { optional string a = 1; required string b = 2; }'),
    two('message Order { optional string a = 1; }'),
    false,
  ],
  ['another number', order('string a = 1;'), order('string a = 2;'), true],
  ['another name', order('string a = 1;'), order('string b = 1;'), true],
  ['int32 to int64', order('int32 a = 1;'), order('int64 a = 1;'), true],
  ['sint32 to sint64', order('sint32 a = 1;'), order('sint64 a = 1;'), true],
  ['int32 to sint32', order('int32 a = 1;'), order('sint32 a = 1;'), false],
  ['fixed32 to sfixed32', order('fixed32 a = 1;'), order('sfixed32 a = 1;'), true],
  ['fixed32 to fixed64', order('fixed32 a = 1;'), order('fixed64 a = 1;'), false],
  ['float to double', order('float a = 1;'), order('double a = 1;'), false],
  ['string to bytes', order('string a = 1;'), order('bytes a = 1;'), true],
  ['a number to a text', order('int32 a = 1;'), order('string b = 1;'), false],
  ['a number to an enum', order('int32 a = 1;'), order('State a = 1;', 'enum State { OPEN = 0; DONE = 1; }'), true],
  ['an enum to a number', order('State a = 1;', 'enum State { OPEN = 0; DONE = 1; }'), order('int32 a = 1;'), true],
  [
    'a number to a message called like an enum',
    order('int32 a = 1;'),
    order(`.Order.Size a = 1; ${size}`, 'enum Size { S = 0; }'),
    false,
  ],
  [
    'a message called like an enum to a number',
    order(`.Order.Size a = 1; ${size}`, 'enum Size { S = 0; }'),
    order('int32 a = 1;'),
    false,
  ],
  [
    'a value of an enum gets another name',
    order('State a = 1;', 'enum State { OPEN = 0; DONE = 1; }'),
    order('State a = 1;', 'enum State { OPEN = 0; OVER = 1; }'),
    true,
  ],
  ['a number to a message', order('int32 a = 1;'), order('Size a = 1;', size), false],
  ['another message', order('Size a = 1;', size), order('Fit a = 1;', 'message Fit { string label = 1; }'), false],
  ['other values of a map', order('map<string, int32> a = 1;'), order('map<string, string> b = 1;'), false],
  ['other keys of a map', order('map<string, int32> a = 1;'), order('map<int32, int32> a = 1;'), false],
  ['a map to a list of messages', order('map<string, int32> a = 1;'), order('repeated Size a = 1;', size), false],
  [
    'the name of a map’s values in full',
    order(`map<string, Size> a = 1; ${size}`),
    order(`map<string, Order.Size> a = 1; ${size}`),
    true,
  ],
  ['a message becomes repeated', order(`optional Size a = 1; ${size}`), order(`repeated Size a = 1; ${size}`), true],
  ['a text becomes repeated', order('optional string a = 1;'), order('repeated string a = 1;'), true],
  ['bytes become repeated', order('optional bytes a = 1;'), order('repeated bytes a = 1;'), true],
  ['a number becomes repeated', order('optional int32 a = 1;'), order('repeated int32 a = 1;'), false],
  ['a message more', order('string a = 1;'), order('string a = 1;', size), true],
  ['a message less', order('string a = 1;', size), order('string a = 1;'), false],
  ['a message before it', order('string a = 1;'), file(`${size} message Order { string a = 1; }`), true],
  [
    'messages change places',
    file(`message Order { string a = 1; } ${size}`),
    file(`${size} message Order { string a = 1; }`),
    true,
  ],
  [
    'an import changes inside',
    importing('message Order { .maker.Device a = 1; }', 'device.proto', device('int32')),
    importing('message Order { .maker.Device a = 1; }', 'device2.proto', device('string')),
    false,
  ],
  [
    'a message moves to an import',
    file('message Order { Device a = 1; } message Device { int32 no = 1; bool on = 2; }'),
    importing('message Order { .maker.Device a = 1; }', 'device.proto', device('int32')),
    false,
  ],
  [
    'a message moves out of an import',
    importing('message Order { .maker.Device a = 1; }', 'device.proto', device('int32')),
    file('message Order { Device a = 1; } message Device { int32 no = 1; bool on = 2; }'),
    true,
  ],
  [
    'an import of another package, the same inside',
    importing('message Order { .maker.Device a = 1; }', 'device.proto', device('int32')),
    importing('message Order { .other.Device a = 1; }', 'other.proto', other('int32')),
    true,
  ],
  [
    'a message within one of an import of another package',
    importing('message Order { .maker.Box.Device a = 1; }', 'box.proto', inner('maker', 'int32')),
    importing('message Order { .other.Box.Device a = 1; }', 'box2.proto', inner('other', 'int32')),
    true,
  ],
  [
    'a message within one of an import changes inside',
    importing('message Order { .maker.Box.Device a = 1; }', 'box.proto', inner('maker', 'int32')),
    importing('message Order { .other.Box.Device a = 1; }', 'box.proto', inner('other', 'string')),
    false,
  ],
];

const one = (fields: string) => order(fields);

export const ONEOFS: readonly ProtobufCase[] = [
  [
    'one field comes into a new oneof',
    one('string a = 1; string b = 2;'),
    one('string a = 1; oneof o { string b = 2; int32 c = 3; }'),
    true,
  ],
  [
    'two fields come into a new oneof',
    one('string a = 1; string b = 2;'),
    one('oneof o { string a = 1; string b = 2; int32 c = 3; }'),
    false,
  ],
  [
    'a member more',
    one('oneof o { string a = 1; string b = 2; }'),
    one('oneof o { string a = 1; string b = 2; int32 c = 3; }'),
    true,
  ],
  [
    'a member less',
    one('oneof o { string a = 1; string b = 2; int32 c = 3; }'),
    one('oneof o { string a = 1; string b = 2; }'),
    false,
  ],
  [
    'one field becomes a oneof',
    one('string a = 1; string b = 2;'),
    one('string a = 1; oneof o { string b = 2; }'),
    true,
  ],
  [
    'a field comes into a oneof there was',
    one('string a = 1; oneof o { string b = 2; string c = 3; }'),
    one('oneof o { string a = 1; string b = 2; string c = 3; }'),
    false,
  ],
  [
    'a field comes into a oneof that is renamed',
    one('string a = 1; oneof o { string b = 2; string c = 3; }'),
    one('oneof p { string a = 1; string b = 2; string c = 3; }'),
    false,
  ],
  [
    'a member of a renamed oneof changes its type',
    one('oneof o { float a = 1; int32 b = 2; }'),
    one('oneof p { float a = 1; string b = 2; }'),
    false,
  ],
  [
    'a oneof goes, and a member changes its type',
    one('oneof o { float a = 1; int32 b = 2; }'),
    one('float a = 1; sint64 b = 2;'),
    false,
  ],
  [
    'a field changes its type on its way into a oneof',
    one('float a = 1; int32 b = 2;'),
    one('float a = 1; oneof o { sint64 b = 2; }'),
    false,
  ],
  [
    'a oneof is renamed',
    one('oneof o { float a = 1; int32 b = 2; }'),
    one('oneof p { float a = 1; int32 b = 2; }'),
    true,
  ],
  [
    'a member moves to another oneof',
    one('oneof o { int32 a = 1; int32 b = 2; } oneof p { int32 c = 3; }'),
    one('oneof o { int32 a = 1; } oneof p { int32 c = 3; int32 b = 2; }'),
    false,
  ],
  [
    'the only member moves to another oneof',
    one('oneof o { int32 a = 1; } oneof p { int32 b = 3; }'),
    one('oneof p { int32 b = 3; int32 a = 1; }'),
    false,
  ],
  [
    'two oneofs become one',
    one('oneof o { int32 a = 1; } oneof p { int32 b = 2; }'),
    one('oneof q { int32 a = 1; int32 b = 2; }'),
    false,
  ],
  [
    'a member gets a oneof of its own',
    one('oneof o { int32 a = 1; int32 b = 2; }'),
    one('oneof o { int32 b = 2; } oneof p { int32 a = 1; }'),
    true,
  ],
  [
    'a oneof is renamed and loses a member',
    one('oneof o { int32 a = 1; int32 b = 2; }'),
    one('oneof p { int32 a = 1; }'),
    false,
  ],
  [
    'a member leaves its oneof',
    one('oneof o { int32 a = 1; int32 b = 2; }'),
    one('oneof o { int32 a = 1; } int32 b = 2;'),
    true,
  ],
  [
    'a member leaves its oneof and changes its type',
    one('oneof o { int32 a = 1; int32 b = 2; }'),
    one('oneof o { int32 a = 1; } string b = 2;'),
    false,
  ],
  [
    'a oneof goes with all its members',
    one('string a = 1; oneof o { int32 b = 2; int32 c = 3; }'),
    one('string a = 1;'),
    true,
  ],
  ['`optional` is no oneof', one('optional string a = 1; optional string b = 2;'), one('optional string a = 1;'), true],
];
