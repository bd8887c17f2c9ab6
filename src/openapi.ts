import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
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
  SwaggerModule.setup(docsPath, app, () => SwaggerModule.createDocument(app, options), {
    jsonDocumentUrl: `${docsPath}/openapi.json`,
    yamlDocumentUrl: `${docsPath}/openapi.yaml`,
  });
}
