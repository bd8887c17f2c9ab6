import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, ArrayMaxSize, ArrayNotEmpty, IsArray, IsIn, IsOptional } from 'class-validator';

/** One alert of a webhook, as Alertmanager documents it. Only `labels.alertname` is needed; keys that are not listed are ignored. */
export class AlertDto {
  @ApiPropertyOptional({ enum: ['firing', 'resolved'], default: 'firing' })
  status?: unknown;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: {
      alertname: 'HighMemoryUsage',
      severity: 'critical',
      namespace: 'prod-payment-service',
      pod: 'payment-api-789',
    },
  })
  labels?: unknown;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { description: 'Pod using 95% memory' },
  })
  annotations?: unknown;

  @ApiPropertyOptional({ format: 'date-time', example: '2025-10-04T10:00:00Z' })
  startsAt?: unknown;

  @ApiPropertyOptional({ format: 'date-time' })
  endsAt?: unknown;

  @ApiPropertyOptional({ type: 'string' })
  generatorURL?: unknown;

  @ApiPropertyOptional({ type: 'string', description: "Alertmanager's own identity of the alert." })
  fingerprint?: unknown;
}

/**
 * The envelope of Alertmanager's webhook, version 4. Only what decides whether it is one is validated: a wrong type in a
 * member that is merely shown must not cost an alert. Its alerts are read one by one; keys that are not listed are
 * ignored, because Alertmanager adds some in minor releases.
 */
export class AlertmanagerWebhookDto {
  @ApiPropertyOptional({ enum: ['4'], default: '4' })
  @IsOptional()
  @IsIn(['4'], { message: 'version must be "4"' })
  version?: string;

  @ApiPropertyOptional({ type: 'string', example: '{}:{alertname="HighMemoryUsage"}' })
  @Allow()
  groupKey?: unknown;

  @ApiPropertyOptional({ type: 'string', example: 'kubernaut-gateway' })
  @Allow()
  receiver?: unknown;

  @ApiPropertyOptional({ type: 'string', example: 'https://alertmanager.example.com' })
  @Allow()
  externalURL?: unknown;

  @ApiPropertyOptional({
    type: 'integer',
    description: "Alerts that Alertmanager's `max_alerts` left out.",
    default: 0,
  })
  @Allow()
  truncatedAlerts?: unknown;

  @ApiProperty({ type: () => [AlertDto] })
  @ArrayNotEmpty({ message: 'alerts must hold at least one alert' })
  @ArrayMaxSize(10_000, {
    message: 'alerts must hold at most 10000 alerts: set max_alerts in the Alertmanager receiver',
  })
  @IsArray({ message: 'alerts must be a list of alerts' })
  alerts!: readonly unknown[];
}
