/** Records as mails, one after the other on the connections of the pool. */
import type { createTransport, SendMailOptions } from 'nodemailer';
import { type Row, rejectedRecord, SluiceError, textOfRow, type WriteResult } from '#connector';
import { coded, rejection } from './errors.ts';

type Transport = Pick<ReturnType<typeof createTransport>, 'sendMail'>;

interface Attachment {
  readonly name: string;
  readonly type?: string;
  readonly base64: string;
}

export function send(transport: Transport, records: readonly Row[], from: string | undefined): Promise<WriteResult[]> {
  return Promise.all(records.map((record) => sendOne(transport, record, from)));
}

async function sendOne(transport: Transport, record: Row, from: string | undefined): Promise<WriteResult> {
  let mail: SendMailOptions;
  try {
    mail = mailOf(record, from);
  } catch (error) {
    return rejectedRecord((error as SluiceError).message);
  }
  try {
    const { rejected = [] } = (await transport.sendMail(mail)) as { rejected?: readonly unknown[] };
    // Some receivers have it: again it would be theirs twice.
    return rejected.length === 0
      ? { ok: true }
      : rejectedRecord(`the server refused ${rejected.join(', ')}, and took the others`);
  } catch (error) {
    const refused = rejection(error);
    if (refused === undefined) throw coded(error);
    return rejectedRecord(refused.reason, refused.retryable);
  }
}

/** @throws RECORD_REJECTED */
function mailOf(record: Row, sender: string | undefined): SendMailOptions {
  const given = (name: string) => textOfRow(record, name);
  const known = ['from', 'to', 'cc', 'bcc', 'reply_to', 'subject', 'text', 'html', '_id', 'headers', 'attachments'];
  const strange = Object.keys(record).find((name) => !known.includes(name));
  if (strange !== undefined) throw new SluiceError('RECORD_REJECTED', `a mail has no field ${strange}`);
  const from = given('from') ?? sender;
  if (from === undefined) throw new SluiceError('RECORD_REJECTED', 'from must be given, here or by the endpoint');
  const receivers = { to: given('to'), cc: given('cc'), bcc: given('bcc') };
  if (Object.values(receivers).every((one) => one === undefined)) {
    throw new SluiceError('RECORD_REJECTED', 'one of to, cc and bcc must be given');
  }
  const id = given('_id');
  const mail = {
    from,
    ...receivers,
    replyTo: given('reply_to'),
    subject: given('subject'),
    text: given('text'),
    html: given('html'),
    headers: jsonIn(record, 'headers') as Record<string, string> | undefined,
    attachments: attachmentsOf(jsonIn(record, 'attachments')),
    messageId: id === undefined || id.includes('@') ? id : `<${id.replace(/[<>\s]/g, '-')}@sluice>`,
  };
  return Object.fromEntries(Object.entries(mail).filter(([, value]) => value !== undefined));
}

function attachmentsOf(given: unknown): SendMailOptions['attachments'] | undefined {
  if (given === undefined) return undefined;
  const all = Array.isArray(given) ? (given as Attachment[]) : [];
  if (!Array.isArray(given) || all.some((one) => typeof one?.name !== 'string' || typeof one.base64 !== 'string')) {
    throw new SluiceError('RECORD_REJECTED', 'attachments must be a list of {name, base64, type}');
  }
  return all.map(({ name, base64, type }) => ({
    filename: name,
    content: Buffer.from(base64, 'base64'),
    ...(typeof type === 'string' ? { contentType: type } : {}),
  }));
}

function jsonIn(record: Row, name: string): unknown {
  const text = textOfRow(record, name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null) throw new SluiceError('RECORD_REJECTED', `${name} must be JSON`);
  return value;
}
