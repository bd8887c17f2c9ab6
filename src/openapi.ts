import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { stringify } from 'yaml';
import { docsPath } from './config/paths';

/** Serves the API explorer and its document; only what is enabled is in it. */
export function serveApiExplorer(app: INestApplication, version: string): void {
  const options = new DocumentBuilder()
    .setTitle('kubernaut-gateway')
    .setDescription('Turns monitoring signals into RemediationRequests.')
    .setVersion(version)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    // What people come for stands first.
    .addTag('signals', 'Where senders post')
    .addTag('health', 'What probes ask')
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      description: 'A Kubernetes token for the audience of the gateway.',
    })
    .build();
  const document = once(() => SwaggerModule.createDocument(app, options));
  SwaggerModule.setup(docsPath, app, document, { raw: false });
  // Anybody may ask for them, and the library would write them anew each time.
  const json = once(() => Buffer.from(JSON.stringify(document())));
  const yaml = once(() => Buffer.from(stringify(document(), { aliasDuplicateObjects: false })));
  const server = app.getHttpAdapter();
  server.get(`/${docsPath}/openapi.json`, (_: unknown, reply: FastifyReply) =>
    reply.type('application/json; charset=utf-8').send(json()),
  );
  server.get(`/${docsPath}/openapi.yaml`, (_: unknown, reply: FastifyReply) =>
    reply.type('text/yaml; charset=utf-8').send(yaml()),
  );
}

/** What is made when it is asked for first, and kept. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
