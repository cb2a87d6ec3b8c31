/** Shapes of dead letters, for the documentation. */
import { z } from 'zod';
import { recordAnswer } from '../read/documents.ts';

export const boxesAnswer = z.array(
  z.object({ topic: z.string(), letters: z.int().describe('How many are not done') }).meta({ id: 'DeadLetterBox' }),
);

const letterFacts = z.object({
  id: z.int().describe('Of the dead letter: its own offset'),
  topic: z.string(),
  partition: z.int().describe('Where the record was'),
  offset: z.int(),
  source: z.string().describe('Who gave up: group:NAME or processor:NAME'),
  attempts: z.int(),
  code: z.string().describe('Why, for programs'),
  message: z.string().describe('Why, for people'),
  stack: z.string().optional(),
  at: z.int().describe('When, in epoch milliseconds'),
  omitted: z.boolean().describe('The record was too large to be kept here; it is read at its place'),
});

export const letterAnswer = letterFacts.extend({ record: recordAnswer }).meta({ id: 'DeadLetter' });

export const lettersAnswer = z.object({
  letters: z.array(letterAnswer),
  next: z.int().nullable().describe('Where the next page begins; null at the end'),
});

export const resentAnswer = z
  .object({ id: z.int(), partition: z.int(), offset: z.int().describe('Of the record that was appended') })
  .meta({ id: 'ResentRecord' });
