import { ApiPropertyOptional, ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayNotEmpty, IsArray, ValidateIf } from 'class-validator';

class EventObjectDto {
  @ApiProperty({ type: 'string', example: 'Pod' })
  kind?: unknown;

  @ApiProperty({ type: 'string', example: 'payment-api-789' })
  name?: unknown;

  @ApiPropertyOptional({ type: 'string', example: 'prod-payment-service' })
  namespace?: unknown;

  @ApiPropertyOptional({ type: 'string', example: 'v1' })
  apiVersion?: unknown;
}

/**
 * An Event of `v1` or `events.k8s.io/v1`, as the API server or an exporter writes it, or a list of them. Only what makes it a
 * list is validated here; keys that are not listed are ignored.
 */
export class EventDto {
  @ApiProperty({ type: 'string', example: 'OOMKilling' })
  reason?: unknown;

  @ApiProperty({ enum: ['Normal', 'Warning', 'Error'], description: 'Of a normal one nothing is made.' })
  type?: unknown;

  @ApiPropertyOptional({ type: () => EventObjectDto, description: 'What it is about (v1).' })
  involvedObject?: unknown;

  @ApiPropertyOptional({ type: () => EventObjectDto, description: 'What it is about (events.k8s.io/v1).' })
  regarding?: unknown;

  @ApiPropertyOptional({ type: 'string', description: 'v1' })
  message?: unknown;

  @ApiPropertyOptional({ type: 'string', description: 'events.k8s.io/v1' })
  note?: unknown;

  @ApiPropertyOptional({ format: 'date-time' })
  firstTimestamp?: unknown;

  @ApiPropertyOptional({ format: 'date-time' })
  lastTimestamp?: unknown;

  @ApiPropertyOptional({ format: 'date-time' })
  eventTime?: unknown;

  @ApiPropertyOptional({ type: 'array', items: { type: 'object' }, description: 'Of a list: its events.' })
  @ValidateIf((_, items) => items !== undefined)
  @ArrayNotEmpty({ message: 'items must hold at least one event' })
  @ArrayMaxSize(10_000, { message: 'items must hold at most 10000 events: post them in parts' })
  @IsArray({ message: 'items must be a list of events' })
  items?: readonly unknown[];
}
