/** Transformations of records: how they are declared, and the engine that compiles and applies them. */
export { catalogue, type TransformationEntry } from './catalogue.ts';
export { type AsyncTransform, type CompiledTransform, compileTransformations, type SyncTransform } from './compile.ts';
export type { TransformContext } from './context.ts';
export { faultOf, lengthMax } from './patterns/pattern.ts';
export type { TransformRecord } from './record.ts';
export { type Transformation, transformationSchema, transformationsSchema } from './schema.ts';
