<?php

declare(strict_types=1);

namespace Workerman\Protocols;

/** What a program says of WebSockets, whose frames are the host's. */
class Websocket
{
    /** Text: $connection->websocketType. */
    public const BINARY_TYPE_BLOB = "\x81";
    /** Bytes. */
    public const BINARY_TYPE_ARRAYBUFFER = "\x82";
}
