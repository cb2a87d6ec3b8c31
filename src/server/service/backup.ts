/** A backup of the running server's store, into a folder on its machine. Only an administrator may choose where files go. */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';

const request = z.strictObject({ directory: z.string().min(1).describe('Absolute path, absent or empty') });
const done = z.object({ directory: z.string() });
const REQUEST_BYTES_MAX = 8_192;

export function backupRoutes(context: ServerContext): Route[] {
  const { backup } = context;
  if (backup === undefined) return [];
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/backup',
      tag: 'Service',
      summary: 'Copy the store, consistently, while it is in use',
      access: 'admin',
      body: { types: { 'application/json': request }, maxBytes: REQUEST_BYTES_MAX },
      answers: { 200: { description: 'It is complete and on the disk', types: { 'application/json': done } } },
      handle: async (exchange, { body }) => {
        const { directory } = checkJson(request, body);
        if (!isAbsolute(directory)) {
          throw new SluiceError('REQUEST_INVALID', 'directory must be an absolute path', { field: 'directory' });
        }
        await backup(directory);
        exchange.json(200, { directory });
      },
    }),
  ];
}
