/** `<script type="module" src="auto.js"></script>`: pictures of the page whose address ends in .inrz are shown. */
import { watchImages } from "./images.js";

watchImages(document);
